import json

from hypothesis import given
from hypothesis import strategies as st

from payments.chapa.wire import (
    Opening,
    Outcome,
    parse_cancellation,
    parse_initialization,
    parse_verification,
)

HOSTS = ("checkout.chapa.co",)
STATUSES = st.sampled_from([200, 201, 302, 400, 401, 403, 404, 408, 422, 429, 500, 502, 599])
WORDS = st.sampled_from(
    [
        "success",
        "pending",
        "failed",
        "null",
        "",
        "ETB",
        "100.00",
        "1e99",
        "Payment not paid yet",
        "Invalid transaction reference",
        "Transaction reference has been used before",
        "https://checkout.chapa.co/checkout/payment/abc",
        "https://[",
    ]
)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), WORDS
)
FIELDS = st.sampled_from(
    ["status", "amount", "charge", "currency", "tx_ref", "reference", "mode", "checkout_url"]
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(FIELDS, st.text(max_size=5)), inner, max_size=4),
    ),
    max_leaves=12,
)
ENVELOPES = st.fixed_dictionaries({"message": VALUES, "status": VALUES, "data": VALUES})
# json writes NaN and lone surrogates, which is what an unfriendly peer would do.
BODIES = st.one_of(
    st.binary(max_size=200),
    VALUES.map(json.dumps).map(str.encode),
    ENVELOPES.map(json.dumps).map(str.encode),
)


@given(http_status=STATUSES, body=BODIES)
def test_no_answer_makes_parsing_raise_and_all_evidence_can_be_kept(
    http_status: int, body: bytes
) -> None:
    answers = (
        parse_initialization(http_status, body, HOSTS),
        parse_verification(http_status, body),
        parse_cancellation(http_status, body),
    )

    for answer in answers:
        kept = json.dumps(answer.evidence, allow_nan=False, ensure_ascii=False)
        assert "\\u0000" not in kept
        kept.encode()


@given(http_status=STATUSES, body=BODIES)
def test_money_is_seen_only_in_a_success_with_a_positive_amount(
    http_status: int, body: bytes
) -> None:
    seen = parse_verification(http_status, body)

    if seen.outcome is Outcome.PAID:
        assert http_status == 200
        assert seen.amount is not None
        assert seen.amount > 0
        assert json.loads(body)["data"]["status"].strip().lower() == "success"


@given(http_status=STATUSES, body=BODIES)
def test_a_link_is_handed_out_exactly_when_it_was_opened(http_status: int, body: bytes) -> None:
    answer = parse_initialization(http_status, body, HOSTS)

    assert (answer.checkout_url is not None) == (answer.opening is Opening.OPENED)
