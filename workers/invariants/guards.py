"""What the database refuses by itself, as long as it is told to."""

from typing import Final

from workers.invariants.base import Invariant

#: Constraints, unique indexes, triggers, and columns that must be filled.
GUARDS: Final = (
    "payments_one_pending_per_reference",
    "payments_tx_ref_once",
    "payments_gateway_reference_once",
    "payments_amount_positive",
    "payments_refunded_at_most_captured",
    "payments_one_capture",
    "payments_entry_positive",
    "payments_entry_proven",
    "payments_refund_positive",
    "payments_one_system_refund",
    "payments_refund_name_once",
    "payments_gatewaycall_append_only",
    "payments_ledgerentry_append_only",
    "payments_gatewaycall_kept",
    "payments_ledgerentry_kept",
    "bookings_confirmed_is_paid",
    "bookings_payment_applied_once",
    "bookings_no_double_booking",
    "bookings_booking.hold_expires_at",
    "events_event_immutable",
    "events_one_delivery_per_debt",
    "events_one_receipt_per_debt",
)

DATABASE: Final = (
    Invariant(
        "guards_stand",
        "What the database is relied on to refuse, it refuses",
        f"""
        select guard, 'is not there, not valid or not enabled'
        from unnest('{{{",".join(GUARDS)}}}'::text[]) guard
        where not exists (select from pg_constraint where conname = guard and convalidated)
          and not exists (select from pg_index i join pg_class c on c.oid = i.indexrelid
                          where c.relname = guard and i.indisunique and i.indisvalid)
          and not exists (select from pg_trigger where tgname = guard and tgenabled in ('O', 'A'))
          and not exists (select from information_schema.columns
                          where table_name || '.' || column_name = guard and is_nullable = 'NO')
        """,  # noqa: S608
    ),
)
