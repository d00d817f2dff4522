"""The real core/settings.py, read anew from made-up environments."""

import re
import runpy
from collections.abc import Callable
from pathlib import Path
from traceback import format_exception
from typing import Any

import pytest
from decouple import RepositoryEnv
from django.core.exceptions import ImproperlyConfigured

PROJECT = Path(__file__).parents[2]
SAMPLE = PROJECT / ".env.sample"
NAMES: list[str] = sorted(RepositoryEnv(str(SAMPLE)).data)

Read = Callable[..., dict[str, Any]]


def production_block() -> dict[str, str]:
    """Return what `#!` lines of the sample say, with the secrets filled in."""
    lines = re.findall(r"^#! (\w+)=(.*)$", SAMPLE.read_text(), re.MULTILINE)
    return dict(lines) | {
        "SECRET_KEY": "kQ7xR2mZ9w" * 6,
        "DATABASE_URL": "postgres://guzo:aPassword@db.internal:5432/guzo",
        "CHAPA_SECRET_KEY": "CHASECK-abcdefghijklmnopqrstuvwxyz012345",
        "CHAPA_WEBHOOK_SECRETS": "3f9a1c7e5b2d8f6a4c0e",
    }


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Read:
    """Read the settings from the sample with these differences; None takes a name away."""

    def run(**changes: str | None) -> dict[str, Any]:
        values = RepositoryEnv(str(SAMPLE)).data | changes
        file = tmp_path / "env"
        file.write_text("".join(f"{k}={v}\n" for k, v in values.items() if v is not None))
        for name in NAMES:
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("ENV_FILE", str(file))
        return runpy.run_path(str(PROJECT / "core" / "settings.py"))

    return run


def test_the_sample_lists_every_name_that_is_read_and_no_other() -> None:
    source = (PROJECT / "core" / "settings.py").read_text()

    assert sorted(set(re.findall(r'\benv\.\w+\(\s*"(\w+)"', source))) == NAMES


def test_no_request_is_one_transaction(read: Read) -> None:
    url = "postgres://guzo:aPassword@db.internal:5432/guzo?ATOMIC_REQUESTS=true"

    for database in (read(), read(DATABASE_URL=url)):
        assert database["DATABASES"]["default"]["ATOMIC_REQUESTS"] is False


def test_the_sample_itself_is_a_complete_configuration(read: Read) -> None:
    settings = read()

    assert settings["ENVIRONMENT"] == "local"
    assert settings["CHAPA_MODE"] == "test"


def test_an_env_file_that_is_not_there_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ENV_FILE", str(tmp_path / "nope"))

    with pytest.raises(ImproperlyConfigured, match=r"ENV_FILE names .*/nope, which is no file"):
        runpy.run_path(str(PROJECT / "core" / "settings.py"))


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_setting_refuses_by_name(read: Read, name: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=rf"^{name} is not set\."):
        read(**{name: None})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ENVIRONMENT", "development"),
        ("DEBUG", "yes"),
        ("SECRET_KEY", ""),
        ("PUBLIC_URL", "guzo.et"),
        ("PUBLIC_URL", "https://user:password@guzo.et"),
        ("PUBLIC_URL", "https://guzo.et/?a=b"),
        ("ALLOWED_HOSTS", " , "),
        ("TRUSTED_PROXY_COUNT", "-1"),
        ("HTTPS", "1"),
        ("DATABASE_URL", "mysql://db/guzo"),
        ("DATABASE_URL", "guzo"),
        ("DATABASE_URL", "postgres://db:port/guzo"),
        ("BROKER_URL", "localhost:6379"),
        ("BROKER_URL", "redis://b:99999/0"),
        ("CHAPA_MODE", "sandbox"),
        ("CHAPA_BASE_URL", "ftp://api.chapa.co/v1"),
        ("CHAPA_CHECKOUT_HOSTS", ""),
        ("CHAPA_SECRET_KEY", "CHAPA_TEST_abc123"),
        ("CHAPA_SECRET_KEY", "CHASECK-abc123"),
        ("CHAPA_SECRET_KEY", "CHAPUBK_TEST-abc123"),
        ("CHAPA_SECRET_KEY", "CHASECK_TEST-"),
        ("CHAPA_SECRET_KEY", "CHASECK_TEST-<from the dashboard>"),
        ("CHAPA_WEBHOOK_SECRETS", ""),
        ("CHAPA_SIGNATURE_HEADER", "signature"),
        ("HOLD_MINUTES", "0"),
        ("HOLD_MINUTES", "half an hour"),
        ("HOLD_OUTAGE_CAP_MINUTES", "1441"),
        ("TOKEN_HOURS", "0"),
        ("LOGINS_PER_ADDRESS", "many"),
        ("SIGN_UPS_PER_ADDRESS", "0/1h"),
        ("OPEN_HOLDS_PER_USER", "0"),
        ("EMAIL_BACKEND", "django.core.mail.backends.stmp.EmailBackend"),
        ("EMAIL_PORT", "65536"),
        ("EMAIL_USE_TLS", ""),
        ("EMAIL_FROM", "Guzo"),
        ("OPERATOR_EMAILS", "almaz@guzo.et, nobody"),
        ("PORT", "0"),
        ("BIND", ""),
        ("WEB_PROCESSES", "0"),
        ("WEB_THREADS", "1"),
        ("LOG_LEVEL", "LOUD"),
        ("PROMETHEUS_MULTIPROC_DIR", "/var/empty/of/guzo"),
        ("PROMETHEUS_MULTIPROC_DIR", ".env.sample"),
        # A folder in which not even the superuser can make a file.
        ("PROMETHEUS_MULTIPROC_DIR", "/proc"),
    ],
)
def test_a_wrong_setting_refuses_by_name(read: Read, name: str, value: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=rf"^{name} is wrong: "):
        read(**{name: value})


@pytest.mark.parametrize(
    ("text", "operators"),
    [("", []), ("almaz@guzo.et, Bekele <b@guzo.et>", ["almaz@guzo.et", "Bekele <b@guzo.et>"])],
)
def test_operators_are_several_or_none(read: Read, text: str, operators: list[str]) -> None:
    assert read(OPERATOR_EMAILS=text)["OPERATOR_EMAILS"] == operators


@pytest.mark.parametrize(
    ("name", "hint"),
    [("HOLD_MINUTE", "; did you mean HOLD_MINUTES?"), ("COFFEE", "")],
)
def test_what_is_no_setting_is_refused_by_name(read: Read, name: str, hint: str) -> None:
    with pytest.raises(ImproperlyConfigured) as refusal:
        read(**{name: "45"})

    assert str(refusal.value) == f"{name} is not a setting of Guzo{hint}"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CHAPA_SECRET_KEY", "CHASECK-very-secret-4711"),
        ("DATABASE_URL", "mysql://guzo:very-secret-4711@db/guzo"),
        ("BROKER_URL", "http://guzo:very-secret-4711@broker"),
        # A password that was not escaped is taken for a port, a path or a part of the host.
        ("DATABASE_URL", "postgres://guzo:S4711et/tail@db/guzo"),
        ("BROKER_URL", "redis://:S4711#et@b:6379/0"),
        ("DATABASE_URL", "postgres://guzo:very-secret-4711@d\uff0fb/guzo"),
        ("BROKER_URL", "redis://:very-secret-4711@[b:6379/0"),
        ("PUBLIC_URL", "https://guzo:very-secret-4711@g\u2100.et"),
    ],
)
def test_a_refusal_does_not_repeat_a_secret(read: Read, name: str, value: str) -> None:
    with pytest.raises(ImproperlyConfigured) as refusal:
        read(**{name: value})

    assert str(refusal.value).startswith(f"{name} is wrong: ")
    assert "4711" not in "".join(format_exception(refusal.value))


@pytest.mark.parametrize("mode", ["test", "live"])
def test_a_key_of_the_v2_platform_is_called_one(read: Read, mode: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"CHAPA_SECRET_KEY.*v2 platform"):
        read(CHAPA_MODE=mode, CHAPA_SECRET_KEY=f"CHAPA_{mode.upper()}_abc123")


def test_a_test_key_is_refused_in_live_mode(read: Read) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"CHAPA_SECRET_KEY.*CHAPA_MODE is live"):
        read(CHAPA_MODE="live")


LIVE = {"CHAPA_MODE": "live", "CHAPA_SECRET_KEY": "CHASECK-abcdefghijklmnopqrstuvwxyz012345"}
TEST = {"CHAPA_MODE": "test", "CHAPA_SECRET_KEY": "CHASECK_TEST-abcdefghijklmnopqrstuvwxyz01"}


@pytest.mark.parametrize(
    ("environment", "mode"), [("local", LIVE), ("staging", LIVE), ("production", TEST)]
)
def test_money_moves_in_production_and_nowhere_else(
    read: Read, environment: str, mode: dict[str, str]
) -> None:
    with pytest.raises(ImproperlyConfigured, match=rf"CHAPA_MODE is .*{environment}"):
        read(**production_block() | mode | {"ENVIRONMENT": environment})


def test_staging_is_as_strict_as_production_in_test_mode(read: Read) -> None:
    block = production_block() | TEST | {"ENVIRONMENT": "staging"}

    assert read(**block)["CHAPA_MODE"] == "test"
    with pytest.raises(ImproperlyConfigured, match=r"^Not safe in staging: HTTPS\."):
        read(**block | {"HTTPS": "false"})


def test_the_environment_wins_over_the_file(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    read()
    monkeypatch.setenv("HOLD_MINUTES", "7")

    settings = runpy.run_path(str(PROJECT / "core" / "settings.py"))

    assert settings["HOLD_FOR"].total_seconds() == 7 * 60


def test_several_webhook_secrets_are_kept_in_order(read: Read) -> None:
    assert read(CHAPA_WEBHOOK_SECRETS="new, old")["CHAPA_WEBHOOK_SECRETS"] == ["new", "old"]


def test_without_addresses_the_embedded_servers_of_this_clone_are_used(read: Read) -> None:
    settings = read(DATABASE_URL="", BROKER_URL="")

    assert settings["DATABASES"]["default"]["HOST"].startswith("/")
    assert settings["BROKER_URL"].startswith("redis+socket:///")


def test_the_production_block_is_accepted_once_its_secrets_are_filled_in(read: Read) -> None:
    settings = read(**production_block())

    assert settings["SESSION_COOKIE_SECURE"]
    assert settings["SECURE_SSL_REDIRECT"]
    assert settings["SECURE_PROXY_SSL_HEADER"] == ("HTTP_X_FORWARDED_PROTO", "https")
    assert settings["DEBUG"] is False


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DEBUG", "true"),
        ("SECRET_KEY", "local-only-k5v1s0n4e-x7q2m9c8b3w6r0t1y5u-not-a-secret-at-all"),
        ("SECRET_KEY", "too-short"),
        ("SECRET_KEY", "<50 random characters, but still the words of the sample file>"),
        ("ALLOWED_HOSTS", "*"),
        ("TRUSTED_PROXY_COUNT", "0"),
        ("DATABASE_URL", ""),
        ("DATABASE_URL", "postgres://guzo:<password>@db.internal:5432/guzo"),
        ("BROKER_URL", ""),
        ("PUBLIC_URL", "http://guzo.example.et"),
        ("HTTPS", "false"),
        ("CHAPA_BASE_URL", "http://127.0.0.1:8010/v1"),
        ("CHAPA_WEBHOOK_SECRETS", "CHASECK-abcdefghijklmnopqrstuvwxyz012345"),
        ("CHAPA_WEBHOOK_SECRETS", "local-webhook-secret-not-for-real"),
        ("CHAPA_WEBHOOK_SECRETS", "<from the dashboard>"),
        ("CHAPA_WEBHOOK_SECRETS", "3f9a1c7e5b2d8f6a4c0e,short"),
        ("EMAIL_BACKEND", "django.core.mail.backends.console.EmailBackend"),
    ],
)
def test_an_unsafe_value_is_refused_by_name_in_production(
    read: Read, name: str, value: str
) -> None:
    with pytest.raises(ImproperlyConfigured, match=rf"^Not safe in production: {name}\."):
        read(**production_block() | {name: value})


def test_all_unsafe_values_are_named_at_once(read: Read) -> None:
    with pytest.raises(ImproperlyConfigured) as refusal:
        read(ENVIRONMENT="production")

    for name in ("SECRET_KEY", "DATABASE_URL", "BROKER_URL", "PUBLIC_URL", "HTTPS"):
        assert name in str(refusal.value)
