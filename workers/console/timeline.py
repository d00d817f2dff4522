"""One payment, told from everything that was written down about it. Pure reading."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Q

from bookings.models import Mail
from core.money import Money
from events.models import Delivery, Event, Receipt
from payments.models import GatewayCall, IncomingWebhook, LedgerEntry, Payment, Refund


@dataclass(frozen=True)
class Entry:
    """One thing that happened. `rank` orders what bears the same time: cause before effect."""

    at: datetime
    rank: int
    who: str
    what: str
    detail: str


def timeline_of(payment: Payment) -> list[Entry]:
    """Return what happened to a payment and to what it is for, in order."""
    events = list(
        Event.objects.filter(
            Q(subject__in=[f"payment:{payment.id}", f"booking:{payment.reference}"])
            | Q(id__in=_webhook_events(payment))
        ).order_by("id")
    )
    entries = [
        *_webhooks(payment),
        *_events(events),
        *_calls(payment),
        *_ledger(payment),
        *_resolutions(payment),
        *_receipts(events),
        *_debts(events),
        *_mails(payment.reference),
    ]
    return sorted(entries, key=lambda entry: (entry.at, entry.rank))


def _webhook_events(payment: Payment) -> list[int]:
    webhooks = IncomingWebhook.objects.filter(
        tx_ref=payment.tx_ref, verdict=IncomingWebhook.Verdict.SIGNED
    ).values_list("id", flat=True)
    subjects = [f"webhook:{webhook_id}" for webhook_id in webhooks]
    return list(Event.objects.filter(subject__in=subjects).values_list("id", flat=True))


def _webhooks(payment: Payment) -> Iterator[Entry]:
    for webhook in IncomingWebhook.objects.filter(tx_ref=payment.tx_ref):
        yield Entry(
            webhook.received_at,
            0,
            "chapa",
            "webhook came in",
            f"{webhook.event or 'unknown event'}, {webhook.get_verdict_display()}",
        )


def _events(events: list[Event]) -> Iterator[Entry]:
    for event in events:
        if event.type != "webhook.received":
            # Committed before Chapa was called, and bears the call's time.
            rank = 0 if event.type == "payment.initiated" else 3
            yield Entry(event.occurred_at, rank, event.actor, event.type, _gist(event))


def _calls(payment: Payment) -> Iterator[Entry]:
    for call in GatewayCall.objects.filter(payment=payment):
        answer = f"HTTP {call.http_status}" if call.http_status else "no answer"
        yield Entry(
            call.asked_at,
            1,
            call.actor,
            f"asked Chapa: {call.kind}",
            f"{call.outcome} ({answer}, {call.took_ms} ms)",
        )


def _ledger(payment: Payment) -> Iterator[Entry]:
    for entry in LedgerEntry.objects.filter(payment=payment).select_related("gateway_call"):
        proof = entry.gateway_call.actor if entry.gateway_call else entry.person
        yield Entry(
            entry.recorded_at,
            2,
            proof,
            f"ledger: {entry.kind}",
            ", ".join(filter(None, [str(Money(entry.amount, entry.currency)), entry.reason])),
        )


def _resolutions(payment: Payment) -> Iterator[Entry]:
    for refund in Refund.objects.filter(payment=payment):
        for said in refund.resolutions:
            yield Entry(
                datetime.fromisoformat(said["at"]),
                2,
                said["person"],
                f"said of a refund: {'sent' if said['sent'] else 'not sent'}",
                f"{refund.money}, {said['reason']}",
            )


def _receipts(events: list[Event]) -> Iterator[Entry]:
    types = {event.id: event.type for event in events}
    for receipt in Receipt.objects.filter(event_id__in=types):
        tries = "" if receipt.attempts <= 1 else f", attempt {receipt.attempts}"
        yield Entry(
            receipt.done_at,
            5,
            receipt.handler,
            f"handled {types[receipt.event_id]}",
            f"{receipt.get_how_display()} by {receipt.worker}{tries}",
        )


def _debts(events: list[Event]) -> Iterator[Entry]:
    for debt in Delivery.objects.filter(event__in=events).select_related("event"):
        last = debt.last_error.strip().splitlines()[-1:] or [""]
        yield Entry(
            debt.next_at,
            6,
            debt.handler,
            f"still to handle {debt.event.type}",
            ", ".join(
                filter(
                    None,
                    [
                        debt.get_state_display(),
                        f"{debt.attempts} attempts" if debt.attempts else "",
                        last[0][:160],
                    ],
                )
            ),
        )


def _mails(reference: UUID) -> Iterator[Entry]:
    for mail in Mail.objects.filter(booking_id=reference):
        yield Entry(
            mail.sent_at or mail.created_at,
            4,
            "mail",
            f"{mail.get_kind_display()} mail {mail.get_state_display()}",
            "",
        )


def _gist(event: Event) -> str:
    """The few words of an event's data that tell one from another."""
    amount = event.data.get("amount") or event.data.get("total")
    money = str(Money.from_json(amount)) if amount else ""
    return ", ".join(filter(None, [money, str(event.data.get("reason") or "")]))
