import json

from hypothesis import example, given
from hypothesis import strategies as st

from payments.chapa.tests.cast import captured
from payments.chapa.wire import (
    Fetched,
    Opening,
    Outcome,
    RefundProgress,
    RefundSubmitted,
    parse_balances,
    parse_cancellation,
    parse_initialization,
    parse_refund_submission,
    parse_refund_verification,
    parse_transaction_events,
    parse_transaction_page,
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
        "initiated",
        "refunded",
        "Refunds can only be processed in live mode",
        "Refund amount cannot exceed the full transaction amount",
        "Transaction not found",
        "2024-07-27T02:22:46.000000Z",
        "9999-12-31T23:59:59-14:00",
    ]
)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), WORDS
)
FIELDS = st.sampled_from(
    [
        "status",
        "amount",
        "charge",
        "currency",
        "tx_ref",
        "reference",
        "mode",
        "checkout_url",
        "ref_id",
        "transactions",
        "pagination",
        "current_page",
        "next_page_url",
        "item",
        "message",
        "created_at",
        "available_balance",
    ]
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
ROWS = st.lists(st.dictionaries(FIELDS, SCALARS, max_size=5), max_size=3)
LISTS = st.fixed_dictionaries(
    {
        "message": WORDS,
        "status": WORDS,
        "data": st.one_of(
            ROWS,
            st.fixed_dictionaries(
                {"transactions": ROWS, "pagination": st.dictionaries(FIELDS, SCALARS, max_size=3)}
            ),
        ),
    }
)
# json writes NaN and lone surrogates, which is what an unfriendly peer would do.
BODIES = st.one_of(
    st.binary(max_size=200),
    VALUES.map(json.dumps).map(str.encode),
    ENVELOPES.map(json.dumps).map(str.encode),
    LISTS.map(json.dumps).map(str.encode),
)


@given(http_status=STATUSES, body=BODIES)
def test_no_answer_makes_parsing_raise_and_all_evidence_can_be_kept(
    http_status: int, body: bytes
) -> None:
    answers = (
        parse_initialization(http_status, body, HOSTS),
        parse_verification(http_status, body),
        parse_cancellation(http_status, body),
        parse_refund_submission(http_status, body),
        parse_refund_verification(http_status, body),
        parse_transaction_page(http_status, body, page=1),
        parse_transaction_events(http_status, body),
        parse_balances(http_status, body),
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


@example(http_status=200, body=captured("refund_verify_refunded"))
@example(http_status=200, body=captured("refund_accepted"))
@example(http_status=400, body=captured("refund_refused_amount"))
@given(http_status=STATUSES, body=BODIES)
def test_money_goes_back_only_in_chapas_own_words(http_status: int, body: bytes) -> None:
    submission = parse_refund_submission(http_status, body)
    seen = parse_refund_verification(http_status, body)

    if submission.submitted is not RefundSubmitted.UNKNOWN:
        assert http_status < 500
        assert json.loads(body)["status"].strip()
    if seen.progress in (RefundProgress.REFUNDED, RefundProgress.REVERSED):
        answer = json.loads(body)
        assert http_status == 200
        assert answer["status"].strip().lower() == "success"
        assert answer["data"]["status"].strip().lower() == seen.progress


@example(http_status=200, body=captured("transactions_page"))
@example(http_status=200, body=captured("events"))
@given(http_status=STATUSES, body=BODIES)
def test_a_list_is_whole_or_there_is_none(http_status: int, body: bytes) -> None:
    page = parse_transaction_page(http_status, body, page=1)
    events = parse_transaction_events(http_status, body)

    for fetched, lines, rows in (
        (page.fetched, page.transactions, page.evidence.get("rows")),
        (events.fetched, events.events, events.evidence.get("rows")),
    ):
        assert len(lines) == (rows if fetched is Fetched.ANSWERED else 0)
    assert page.transactions or not page.has_next
