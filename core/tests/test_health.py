import json
import socket
from collections.abc import Iterator

import pytest
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from pytest_django.fixtures import Settings

NOWHERE = "redis+socket:///nowhere/at/all.sock"


@pytest.fixture
def lost_database() -> Iterator[None]:
    """Point the connection at a server that is not there."""
    there = connection.settings_dict["HOST"]
    connection.close()
    connection.settings_dict["HOST"] = "/nowhere"
    yield
    connection.close()
    connection.settings_dict["HOST"] = there


def test_a_process_that_answers_is_alive(client: Client) -> None:
    assert client.get("/healthz").status_code == 200


@pytest.mark.django_db
def test_it_is_ready_with_a_migrated_database_and_a_broker(client: Client) -> None:
    response = client.get("/readyz")

    assert response.status_code == 200
    assert response.json() == {"database": "ok", "broker": "ok"}


@pytest.mark.django_db
@pytest.mark.parametrize("url", [NOWHERE, "redis://127.0.0.1:1/0", "amqp://127.0.0.1:1//"])
def test_a_broker_that_is_away_is_told_and_not_required(
    client: Client, settings: Settings, url: str
) -> None:
    settings.BROKER_URL = url

    response = client.get("/readyz")

    assert response.status_code == 200
    assert response.json() == {"database": "ok", "broker": "unreachable"}


@pytest.mark.django_db
def test_a_broker_on_a_port_is_seen(client: Client, settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        settings.BROKER_URL = f"redis://127.0.0.1:{server.getsockname()[1]}/0"

        assert client.get("/readyz").json()["broker"] == "ok"


@pytest.mark.django_db
def test_a_database_that_is_behind_is_not_ready(client: Client) -> None:
    MigrationRecorder.Migration.objects.filter(app="core").delete()

    response = client.get("/readyz")

    assert response.status_code == 503
    assert response.json()["database"] == "behind: migrate"


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("lost_database")
def test_without_a_database_it_is_alive_and_not_ready(client: Client) -> None:
    assert client.get("/healthz").status_code == 200
    response = client.get("/readyz")

    assert response.status_code == 503
    assert json.loads(response.content)["database"] == "unreachable"


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_only_reading_is_allowed(client: Client, path: str) -> None:
    assert client.post(path).status_code == 405


def test_the_front_door_leads_to_the_documentation(client: Client) -> None:
    answer = client.get("/", follow=True)

    assert answer.status_code == 200
    assert answer.redirect_chain == [("/api/v1/docs", 302)]


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_a_probe_may_ask_by_any_name_over_plain_http(
    client: Client, settings: Settings, path: str
) -> None:
    settings.SECURE_SSL_REDIRECT = True
    settings.ALLOWED_HOSTS = ["guzo.example.et"]

    assert client.get(path, headers={"Host": "10.0.0.3:8000"}).status_code == 200
