"""The SQL that spoils a healthy history, one invariant at a time."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from core.tests.factories import UserFactory
from workers.tests.invariant_stories import NOW, Story

_APPEND_ONLY = ("payments_gatewaycall", "payments_ledgerentry")


@dataclass(frozen=True)
class Breach:
    """
    SQL that breaks one invariant in one story, and returns the key of the row by which it shows.

    `first` and `last` are the story's payments, `booking` its booking, `surplus` a payment that
    was applied to nothing and is ordered back, `stranger` somebody else.
    """

    invariant: str
    story: str
    sql: str

    def __str__(self) -> str:
        return f"{self.invariant}-{self.story}"


def commit_breach(breach: Breach, stories: dict[str, Story]) -> str:
    """Return the key of the row that offends from now on."""
    story = stories[breach.story]
    names: dict[str, Any] = {
        "booking": story.booking.id,
        "first": story.payments[0].id if story.payments else None,
        "last": story.payments[-1].id if story.payments else None,
        "surplus": stories["pay_twice"].payments[0].id,
        "paid_booking": stories["pay"].booking.id,
        "stranger": UserFactory.create().id,
        "long_past": NOW - timedelta(days=1),
        "now": NOW,
    }
    with connection.cursor() as cursor:
        # What services wrote is checked first: a table with checks pending cannot be altered.
        cursor.execute("set constraints all immediate; set constraints all deferred")
        for table in _APPEND_ONLY:
            cursor.execute(f"alter table {table} disable trigger user")
        cursor.execute(breach.sql, {name: _plain(value) for name, value in names.items()})
        (key,) = cursor.fetchone()
        cursor.execute("set constraints all immediate")
        for table in _APPEND_ONLY:
            cursor.execute(f"alter table {table} enable trigger user")
    return str(key)


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, datetime) else str(value)


def _of_capture(change: str) -> str:
    return f"""update payments_gatewaycall c set {change} from payments_ledgerentry e
        where e.gateway_call_id = c.id and e.payment_id = %(last)s and e.kind = 'capture'
        returning e.payment_id"""


def _unsaid(subject: str, event_type: str, key: str) -> str:
    """Remove an event as if it had never been recorded, with what it is owed to."""
    which = f"subject = {subject} and type = '{event_type}'"
    return f"""with owed as (
            delete from events_delivery where event_id in (
                select id from events_event where {which}))
        delete from events_event where {which} returning {key}"""


def _update(table: str, change: str, which: str) -> str:
    return f"update {table} set {change} where {which} returning id"


_LAST = "id = %(last)s"
_PAYMENT = "'payment:' || %(last)s"

BREACHES = (
    Breach("ledger_proven", "pay", _of_capture("outcome = 'pending'")),
    Breach("ledger_proven", "pay", _of_capture("kind = 'initialize'")),
    Breach("ledger_proven", "pay", _of_capture("payment_id = %(surplus)s")),
    Breach(
        "ledger_proven",
        "pay",
        _of_capture("""evidence = jsonb_build_object('data', jsonb_build_object(
            'amount', '1', 'currency', 'ETB', 'mode', 'test',
            'tx_ref', (select tx_ref from payments_payment where id = %(last)s)))"""),
    ),
    Breach(
        "ledger_proven",
        "pay",
        _of_capture("""evidence = '{"data": {"amount": "1", "mode": "live", "tx_ref": "x"}}'"""),
    ),
    Breach(
        "ledger_proven",
        "pay",
        """update payments_ledgerentry set gateway_call_id = null, person = 'Almaz', reason = ' '
           where payment_id = %(last)s returning payment_id""",
    ),
    Breach(
        "totals_are_the_ledger",
        "pay",
        _update("payments_payment", "captured_amount = captured_amount - 1", _LAST),
    ),
    Breach(
        "totals_are_the_ledger",
        "pay_and_reverse",
        """delete from payments_ledgerentry where payment_id = %(last)s and kind = 'reversal'
           returning payment_id""",
    ),
    Breach("status_fits_money", "pay", _update("payments_payment", "settled_at = null", _LAST)),
    Breach(
        "paid_as_owed",
        "pay",
        """with entered as (update payments_ledgerentry set amount = amount + 1
                            where payment_id = %(last)s)
           update payments_payment set captured_amount = captured_amount + 1
           where id = %(last)s returning id""",
    ),
    Breach(
        "refunds_within_captures",
        "cancel_paid",
        """update payments_refund set amount = 99999 where payment_id = %(last)s
           returning payment_id""",
    ),
    Breach(
        "refunds_within_captures",
        "cancel_paid",
        """update payments_refund set currency = 'USD' where payment_id = %(last)s
           returning payment_id""",
    ),
    Breach(
        "refunds_in_ledger",
        "get_half_back",
        """with entry as (update payments_ledgerentry set refund_id = null
                          where payment_id = %(last)s and kind = 'refund')
           select id from payments_refund where payment_id = %(last)s""",
    ),
    Breach(
        "refunds_in_ledger",
        "get_half_back",
        _update("payments_refund", "amount = amount + 1", "payment_id = %(last)s"),
    ),
    Breach(
        "every_refund_pursued",
        "cancel_paid",
        _update(
            "payments_refund",
            "state = 'submitted', submitted_at = %(now)s",
            "payment_id = %(last)s",
        ),
    ),
    Breach(
        "every_refund_pursued",
        "cancel_paid",
        _update(
            "payments_refund",
            "state = 'submitted', submitted_at = %(now)s - interval '11 days'",
            "payment_id = %(last)s",
        ),
    ),
    Breach(
        "every_refund_pursued",
        "cancel_paid",
        """with paid as (
               delete from events_delivery where handler = 'send_refund' and event_id = (
                   select id from events_event
                   where subject = 'payment:' || %(last)s and type = 'refund.requested')
               returning event_id, handler),
           receipt as (
               insert into events_receipt (event_id, handler, generation, how, attempts, worker,
                                           done_at)
               select event_id, handler, 0, 'done', 1, 'test', %(now)s from paid)
           select id from payments_refund where payment_id = %(last)s""",
    ),
    Breach(
        "no_money_forgotten",
        "pay_twice",
        "delete from payments_refund where payment_id = %(first)s returning payment_id",
    ),
    Breach(
        "every_payment_watched",
        "start_paying",
        _update("payments_payment", "next_check_at = null", _LAST),
    ),
    Breach(
        "every_payment_watched",
        "let_checkout_expire",
        _update("payments_payment", "next_check_at = null", _LAST),
    ),
    Breach("one_mode", "pay_twice", _update("payments_payment", "mode = 'live'", "id = %(first)s")),
    Breach(
        "paid_by_its_own_money",
        "pay_just_now",
        _update("bookings_booking", "paid_by = %(surplus)s", "id = %(booking)s"),
    ),
    Breach(
        "paid_by_its_own_money",
        "pay_just_now",
        _update("bookings_booking", "paid_by = gen_random_uuid()", "id = %(booking)s"),
    ),
    Breach(
        "no_stay_without_its_money",
        "pay_and_reverse",
        # An operator skipped what would have put it before a person.
        """with skipped as (
               delete from events_delivery where handler = 'flag_unpaid_booking' returning *)
           insert into events_receipt (event_id, handler, generation, how, attempts, worker,
                                       done_at)
           select event_id, handler, generation, 'skipped', 8, 'test', %(now)s from skipped
           returning %(booking)s""",
    ),
    Breach(
        "terms_give_back",
        "cancel_paid",
        "delete from payments_refund where payment_id = %(last)s returning %(booking)s",
    ),
    Breach(
        "terms_give_back",
        "get_half_back",
        _update("bookings_booking", "cancellation = 'flexible'", "id = %(booking)s"),
    ),
    Breach(
        "status_fits_course",
        "hold",
        _update("bookings_booking", "confirmed_at = %(now)s", "id = %(booking)s"),
    ),
    Breach(
        "status_fits_course",
        "pay",
        _update("bookings_booking", "ended_at = %(now)s", "id = %(booking)s"),
    ),
    Breach(
        "status_fits_course",
        "let_expire",
        _update("bookings_booking", "ended_at = null", "id = %(booking)s"),
    ),
    Breach(
        "status_fits_course",
        "cancel_paid",
        _update("bookings_booking", "confirmed_at = null", "id = %(booking)s"),
    ),
    Breach(
        "holds_end",
        "hold",
        _update("bookings_booking", "hold_expires_at = %(long_past)s", "id = %(booking)s"),
    ),
    Breach(
        "only_the_held_are_paid_for",
        "start_paying",
        _update("payments_payment", "reference = %(paid_booking)s", _LAST),
    ),
    Breach(
        "payment_fits_booking",
        "fail_and_expire",
        _update("payments_payment", "reference = gen_random_uuid()", _LAST),
    ),
    Breach(
        "payment_fits_booking",
        "fail_and_expire",
        _update("payments_payment", "amount = amount + 1", _LAST),
    ),
    Breach(
        "payment_fits_booking",
        "fail_and_expire",
        _update("payments_payment", "payer_id = %(stranger)s", _LAST),
    ),
    Breach("payments_told", "fail_and_expire", _unsaid(_PAYMENT, "payment.failed", "%(last)s")),
    Breach(
        "payments_told",
        "pay_second_time",
        # Told once too often, and before the end.
        """insert into events_event (type, version, subject, data, actor, correlation_id,
                                     occurred_at)
           select type, version, subject, data, actor, correlation_id, occurred_at
           from events_event where subject = 'payment:' || %(first)s and type = 'payment.failed'
           returning %(first)s""",
    ),
    Breach(
        "bookings_told",
        "let_expire",
        _unsaid("'booking:' || %(booking)s", "booking.expired", "%(booking)s"),
    ),
    Breach(
        "refunds_told",
        "cancel_paid",
        _unsaid(
            _PAYMENT,
            "refund.requested",
            "(select id from payments_refund where payment_id = %(last)s)",
        ),
    ),
    Breach(
        "refunds_told",
        "get_half_back",
        _unsaid(
            _PAYMENT,
            "refund.succeeded",
            "(select id from payments_refund where payment_id = %(last)s)",
        ),
    ),
    Breach(
        "webhooks_told",
        "pay",
        _unsaid(
            "(select 'webhook:' || id from payments_incomingwebhook)",
            "webhook.received",
            "(select id from payments_incomingwebhook)",
        ),
    ),
    Breach(
        "events_delivered",
        "pay_just_now",
        """delete from events_delivery where handler = 'confirm_paid_booking' and event_id = (
               select id from events_event
               where subject = 'payment:' || %(last)s and type = 'payment.succeeded')
           returning event_id""",
    ),
    Breach(
        "paid_or_owed",
        "pay",
        """insert into events_receipt (event_id, handler, generation, how, attempts, worker,
                                       done_at)
           select event_id, handler, generation, 'done', 1, 'test', %(now)s from events_delivery
           where handler = 'confirm_paid_booking' and event_id = (
               select id from events_event
               where subject = 'payment:' || %(last)s and type = 'payment.succeeded')
           returning event_id""",
    ),
)
