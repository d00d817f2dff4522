import re

from core.ids import digest, new_booking_code, new_id, new_secret, new_tx_ref


def test_a_booking_code_has_no_letters_that_sound_or_look_alike() -> None:
    codes = {new_booking_code() for _ in range(500)}

    assert len(codes) == 500
    assert all(re.fullmatch(r"[A-HJKMNP-Z2-9]{8}", code) for code in codes)


def test_a_tx_ref_is_what_chapa_allows_and_names_one_payment() -> None:
    payment_id = new_id()

    assert re.fullmatch(r"[A-Za-z0-9_-]{1,50}", new_tx_ref(payment_id))
    assert new_tx_ref(payment_id) == new_tx_ref(payment_id)
    assert new_tx_ref(payment_id) != new_tx_ref(new_id())


def test_a_secret_fits_a_path_and_has_128_bits() -> None:
    secrets = {new_secret() for _ in range(100)}

    assert len(secrets) == 100
    assert all(re.fullmatch(r"[\w-]{22}", secret) for secret in secrets)


def test_a_digest_tells_nothing_of_its_secret_and_is_the_same_again() -> None:
    assert digest("open sesame") == digest("open sesame")
    assert digest("open sesame") != digest("open sesame ")
    assert re.fullmatch(r"[0-9a-f]{64}", digest("open sesame"))
