import socket
import sys
from pathlib import Path

import pytest

from workers.devstack.plan import PROJECT, plan_demo, plan_up

REMOTE = {"CHAPA_BASE_URL": "https://api.chapa.co/v1", "CHAPA_CHECKOUT_HOSTS": "checkout.chapa.co"}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / ".env.sample").write_text((PROJECT / ".env.sample").read_text())
    return tmp_path


def test_without_settings_of_ones_own_everything_is_local(project: Path) -> None:
    plan = plan_up(project, {})

    assert plan.embeds_postgres
    assert plan.embeds_valkey
    assert plan.environment["PUBLIC_URL"] == plan.web_url
    assert plan.environment["CHAPA_BASE_URL"] == f"{plan.chapa_url}/v1"
    assert f"http://{plan.environment['CHAPA_CHECKOUT_HOSTS']}" == plan.chapa_url
    assert plan.mail == project / ".local" / "mail"
    assert plan.environment["ENV_FILE"] == str(project / ".env.sample")
    assert plan.environment["PATH"].startswith(f"{sys.prefix}/bin:")


def test_a_taken_port_gives_way_to_a_free_one(project: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])

        plan = plan_up(project, {"PORT": port})

    assert plan.environment["PORT"] != port
    assert plan.web_url == f"http://127.0.0.1:{plan.environment['PORT']}"


def test_both_ports_are_never_the_same(project: Path) -> None:
    plan = plan_up(project, {"PORT": "8010"})

    assert plan.web_url != plan.chapa_url


def test_the_real_chapa_of_an_env_file_is_left_alone(project: Path) -> None:
    own = (project / ".env.sample").read_text()
    for name, value in {**REMOTE, "PUBLIC_URL": "https://abebe.tunnel.example"}.items():
        own += f"{name}={value}\n"
    (project / ".env").write_text(own)

    plan = plan_up(project, {})

    assert plan.chapa_url is None
    assert plan.environment["ENV_FILE"] == str(project / ".env")
    assert plan.environment.items() >= REMOTE.items()
    assert plan.environment["PUBLIC_URL"] == "https://abebe.tunnel.example"


def test_servers_and_mail_of_the_environment_are_used(project: Path) -> None:
    smtp = "django.core.mail.backends.smtp.EmailBackend"
    plan = plan_up(
        project,
        {"DATABASE_URL": "postgres://db/x", "BROKER_URL": "redis://b/0", "EMAIL_BACKEND": smtp},
    )

    assert not plan.embeds_postgres
    assert not plan.embeds_valkey
    assert plan.mail is None


def test_the_demo_hears_nothing_of_the_caller_but_the_servers(project: Path) -> None:
    (project / ".env").write_text("DEBUG=nonsense\n")

    plan = plan_demo(project, {**REMOTE, "DEBUG": "*", "BROKER_URL": "redis://b/0"})

    assert plan.chapa_url is not None
    assert plan.environment["DEBUG"] == "false"
    assert plan.environment["ENV_FILE"] == str(project / ".env.sample")
    assert not plan.embeds_valkey


def test_libpq_variables_lead_nobody_away_from_the_embedded_server(project: Path) -> None:
    variables = {"PGHOSTADDR": "10.0.0.1", "PGPORT": "1"}

    assert "PGPORT" not in plan_up(project, variables).environment
    outside = plan_up(project, {**variables, "DATABASE_URL": "postgres:///x"})
    assert outside.environment["PGPORT"] == "1"


def test_a_proxy_never_stands_between_processes_of_this_machine(project: Path) -> None:
    plan = plan_up(project, {"NO_PROXY": "intern.example"})

    assert plan.environment["NO_PROXY"] == "127.0.0.1,localhost,::1,intern.example"
