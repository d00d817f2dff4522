import hashlib
import hmac
from unittest.mock import call, patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments.chapa.signature import constant_of, is_constant, matching_secret, sign
from payments.chapa.tests.cast import HASH, OLD_HASH

BODY = '{"event":"charge.success","first_name":"ሀና"}'.encode()


def test_a_signature_is_the_hex_hmac_of_the_exact_bytes() -> None:
    assert sign(BODY, HASH) == hmac.new(HASH.encode(), BODY, hashlib.sha256).hexdigest()


@pytest.mark.parametrize(("signer", "index"), [(HASH, 0), (OLD_HASH, 1)])
def test_either_of_two_secrets_matches_and_says_which(signer: str, index: int) -> None:
    assert matching_secret(BODY, sign(BODY, signer), [HASH, OLD_HASH]) == index


def test_the_first_of_two_equal_secrets_is_named() -> None:
    assert matching_secret(BODY, sign(BODY, HASH), [HASH, HASH]) == 0


@pytest.mark.parametrize("signer", [HASH, OLD_HASH, "a stranger's"])
def test_every_secret_is_compared_whichever_signed(signer: str) -> None:
    secrets = [HASH, OLD_HASH, "a third"]
    signature = sign(BODY, signer)

    with patch("hmac.compare_digest", wraps=hmac.compare_digest) as compare:
        matching_secret(BODY, signature, secrets)

    assert compare.mock_calls == [call(sign(BODY, secret), signature) for secret in secrets]


@pytest.mark.parametrize(
    "signature",
    [
        "",
        "nonsense",
        "é" * 64,
        "\u0661" * 64,
        "\udcff" * 64,
        sign(BODY, HASH)[:-1],
        sign(BODY, HASH) + "\n",
        sign(BODY, HASH).upper(),
        sign(BODY + b" ", HASH),
        sign(BODY, "a stranger's"),
    ],
)
def test_anything_else_matches_nothing(signature: str) -> None:
    assert matching_secret(BODY, signature, [HASH, OLD_HASH]) is None


def test_the_constant_header_of_chapa_does_not_sign_a_body() -> None:
    assert constant_of(HASH) == sign(HASH.encode(), HASH)
    assert matching_secret(BODY, constant_of(HASH), [HASH]) is None


@pytest.mark.parametrize(
    ("signature", "constant"),
    [
        (constant_of(HASH), True),
        (constant_of(OLD_HASH), True),
        (constant_of(HASH).upper(), False),
        (constant_of(""), False),
        (sign(BODY, HASH), False),
        ("", False),
        ("é" * 64, False),
    ],
)
def test_the_constant_of_any_secret_is_known_for_one(signature: str, constant: bool) -> None:
    assert is_constant(signature, [HASH, OLD_HASH, ""]) == constant


def test_an_empty_secret_never_matches() -> None:
    assert matching_secret(BODY, sign(BODY, ""), ["", ""]) is None


def test_no_secrets_match_nothing() -> None:
    assert matching_secret(BODY, sign(BODY, HASH), []) is None


def test_escaping_the_same_json_otherwise_breaks_the_signature() -> None:
    escaped = rb'{"event":"charge.success","first_name":"\u1200\u1293"}'

    assert matching_secret(escaped, sign(BODY, HASH), [HASH]) is None


@given(body=st.binary(), secret=st.text(min_size=1), others=st.lists(st.text(), max_size=3))
def test_what_was_signed_with_a_secret_matches_wherever_the_secret_stands(
    body: bytes, secret: str, others: list[str]
) -> None:
    index = matching_secret(body, sign(body, secret), [*others, secret])

    assert index is not None
    assert [*others, secret][index] == secret


@given(body=st.binary(), signature=st.text(), secrets=st.lists(st.text(), max_size=3))
def test_no_text_makes_the_check_raise(body: bytes, signature: str, secrets: list[str]) -> None:
    matching_secret(body, signature, secrets)
    is_constant(signature, secrets)
