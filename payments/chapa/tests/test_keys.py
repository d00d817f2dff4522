import pytest

from payments.chapa.tests.cast import LIVE_KEY, TEST_KEY
from payments.chapa.wire import Mode, mode_of_key


@pytest.mark.parametrize(("key", "mode"), [(TEST_KEY, Mode.TEST), (LIVE_KEY, Mode.LIVE)])
def test_the_key_selects_the_mode(key: str, mode: Mode) -> None:
    assert mode_of_key(key) is mode


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("CHAPA_TEST_PRIV_abcdef", "v2 key"),
        ("CHAPA_LIVE_PRIV_abcdef", "v2 key"),
        ("CHAPA_TEST_abcdef", "v2 key"),
        ("CHAPA_LIVE_abcdef", "v2 key"),
        ("CHAPUBK_TEST-abcdef", "public key"),
        ("CHASECK_TEST-", "not a Chapa v1 secret key"),
        ("CHASECK_TEST-abcdef\r\nHost: elsewhere", "not a Chapa v1 secret key"),
        ("CHASECK-abcdef ", "not a Chapa v1 secret key"),
        ("", "not a Chapa v1 secret key"),
    ],
)
def test_any_other_key_is_refused_by_name_and_not_repeated(key: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as refusal:
        mode_of_key(key)

    assert "abcdef" not in str(refusal.value)
