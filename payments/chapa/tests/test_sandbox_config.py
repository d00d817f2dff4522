import pytest

from payments.chapa.sandbox.config import SandboxConfig
from payments.chapa.tests.cast import HASH, LIVE_KEY, OLD_HASH, TEST_KEY

EVERYWHERE = ".".join("0000")
NEEDED = {
    "CHAPA_BASE_URL": "http://127.0.0.1:8010/v1",
    "CHAPA_SECRET_KEY": TEST_KEY,
    "CHAPA_WEBHOOK_SECRETS": f"{HASH}, {OLD_HASH}",
    "PUBLIC_URL": "http://127.0.0.1:8000",
}


def configured(**changes: str) -> SandboxConfig:
    return SandboxConfig.from_environment(NEEDED | changes)


def test_the_environment_sets_it_up() -> None:
    config = configured(
        CHAPA_CHECKOUT_HOSTS="pay.test:8010,other.test",
        CHAPA_SIGNATURE_HEADER="chapa-signature",
        SANDBOX_WEBHOOK="off",
        SANDBOX_CALLBACK="off",
        SANDBOX_LATENCY_S="0.5",
        SANDBOX_RETRY_S="2",
        SANDBOX_REFUND_S="3",
        CHAPA_SANDBOX_TEST_REFUNDS="on",
    )

    assert config.secret_keys == (TEST_KEY,)
    assert config.webhook_secrets == (HASH, OLD_HASH)
    assert config.checkout_origin == "http://pay.test:8010"
    assert config.signature_header == "chapa-signature"
    assert (config.webhook, config.callback) == (False, False)
    assert (config.latency_s, config.retry_s, config.refund_s) == (0.5, 2, 3)
    assert config.test_refunds


def test_one_process_may_have_a_key_of_each_mode() -> None:
    assert configured(CHAPA_SECRET_KEY=f"{TEST_KEY}, {LIVE_KEY}").secret_keys == (
        TEST_KEY,
        LIVE_KEY,
    )


def test_what_is_not_set_has_a_safe_default() -> None:
    config = configured()

    assert config.deliver_to == "http://127.0.0.1:8000/webhooks/chapa"
    assert config.checkout_origin == "http://127.0.0.1:8010"
    assert config.signature_header == "x-chapa-signature"
    assert (config.webhook, config.callback, config.latency_s) == (True, True, 0)


def test_the_webhook_may_go_elsewhere() -> None:
    assert configured(SANDBOX_WEBHOOK_URL="http://web/hook").deliver_to == "http://web/hook"


@pytest.mark.parametrize(
    ("base_url", "address"),
    [
        ("http://127.0.0.1:8010/v1", ("127.0.0.1", 8010)),
        ("http://localhost:8010/v1/", ("localhost", 8010)),
        ("http://[::1]:8010/v1", ("::1", 8010)),
        ("http://chapa:8010/v1", (EVERYWHERE, 8010)),
        ("http://chapa/v1", (EVERYWHERE, 80)),
    ],
)
def test_it_listens_beyond_the_machine_only_if_it_has_a_name(
    base_url: str, address: tuple[str, int]
) -> None:
    assert configured(CHAPA_BASE_URL=base_url).listen_on == address


@pytest.mark.parametrize("name", NEEDED)
def test_a_missing_variable_is_named(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        configured(**{name: ""})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SANDBOX_WEBHOOK", "yes"),
        ("SANDBOX_CALLBACK", "1"),
        ("SANDBOX_LATENCY_S", "-1"),
        ("SANDBOX_RETRY_S", "soon"),
        ("SANDBOX_HANG_S", "nan"),
        ("SANDBOX_LINK_LIFETIME_S", "inf"),
    ],
)
def test_a_malformed_variable_is_named(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=name):
        configured(**{name: value})


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("CHAPA_BASE_URL", "http://127.0.0.1:8010", "/v1"),
        ("CHAPA_SECRET_KEY", "CHAPA_TEST_PRIV_x", "v2 key"),
        ("CHAPA_SECRET_KEY", f"{TEST_KEY},CHAPUBK-x", "public key"),
        ("CHAPA_SECRET_KEY", ",", "a secret key"),
        ("CHAPA_WEBHOOK_SECRETS", ",", "webhook secret"),
        ("CHAPA_SIGNATURE_HEADER", "signature", "signature header must be x-chapa-signature or"),
    ],
)
def test_a_set_up_that_cannot_work_is_refused(name: str, value: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        configured(**{name: value})


def test_secrets_stay_out_of_the_printed_form() -> None:
    assert TEST_KEY not in repr(configured())
    assert HASH not in repr(configured())
