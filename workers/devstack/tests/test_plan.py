import socket
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from workers.devstack.plan import PROJECT, STATE, plan_demo, plan_up, read_settings, write_settings

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


def test_a_port_that_gave_way_is_taken_again_so_that_open_links_live_on(project: Path) -> None:
    (project / ".local").mkdir()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        wish = {"CHAPA_BASE_URL": f"http://127.0.0.1:{taken.getsockname()[1]}/v1", "PORT": "0"}
        first = plan_up(project, wish)
        write_settings(first)

        again = plan_up(project, wish)

    assert again.chapa_url == first.chapa_url
    assert again.environment[STATE] == first.environment[STATE]


def test_what_is_left_of_a_torn_file_of_settings_is_not_heard(project: Path) -> None:
    (project / ".local").mkdir()
    (project / ".local" / "env").write_text('ENVIRONMENT="local"\nPO')

    assert plan_up(project, {}).environment["ENVIRONMENT"] == "local"


def test_commands_by_hand_find_the_settings_of_what_runs(project: Path) -> None:
    (project / ".local").mkdir()
    plan = plan_up(project, {"PORT": "0", "CHAPA_BASE_URL": "http://127.0.0.1:0/v1"})
    odd = {"EMAIL_FROM": "'Guzo' <a@guzo.et> # \"b\"", "SECRET_KEY": '"x"', "EMAIL_HOST_USER": ""}
    plan = replace(plan, environment={**plan.environment, **odd})

    write_settings(plan)

    found = read_settings(plan.settings_file, {})
    assert found == {name: plan.environment[name] for name in found}
    assert found.keys() == read_settings(project / ".env.sample", {}).keys()
    assert found["CHAPA_BASE_URL"] == f"{plan.chapa_url}/v1"
    assert plan.settings_file.stat().st_mode & 0o077 == 0


def test_the_local_chapa_remembers_as_long_as_the_database_does(project: Path) -> None:
    assert plan_up(project, {}).environment[STATE] == str(project / ".local" / "chapa.sqlite3")
    assert plan_up(project, {STATE: "/elsewhere"}).environment[STATE] == "/elsewhere"


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
