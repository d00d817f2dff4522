"""What follows what: event → handlers, lane group, ordered?, replayable?, first try after?"""

from datetime import timedelta

from bookings import events as bookings
from bookings.handlers import (
    close_failed_links,
    confirm_paid_booking,
    flag_unpaid_booking,
    order_what_terms_still_owe,
)
from bookings.money_mails import (
    mail_delayed_refund,
    mail_failed_refund,
    mail_ordered_refund,
    mail_payment_in_review,
    mail_refunded_money,
    mail_reversed_payment,
)
from bookings.stay_mails import mail_cancelled_stay, mail_expired_hold, send_confirmation
from events.base import Group, Route, Routes
from payments import events as payments
from payments.handlers import close_cancelled_link, rescue_checkout, settle_notified_payment
from payments.refund_handlers import send_refund
from workers.statement_mails import mail_differences

ROUTES: Routes = {
    bookings.BookingHeld: (),
    payments.PaymentInitiated: (
        Route(rescue_checkout, Group.CHAPA, first_try_after=timedelta(seconds=30)),
    ),
    payments.WebhookReceived: (Route(settle_notified_payment, Group.CHAPA, replayable=True),),
    payments.PaymentSucceeded: (
        Route(confirm_paid_booking, Group.CORE, ordered=True, replayable=True),
    ),
    bookings.BookingConfirmed: (
        Route(close_failed_links, Group.CHAPA, replayable=True),
        Route(send_confirmation, Group.MAIL),
    ),
    # Recorded, and nobody acts: the traveller may try again until the hold ends. What ends it, or
    # confirms the stay, closes the page.
    payments.PaymentFailed: (),
    payments.PaymentCancelled: (Route(close_cancelled_link, Group.CHAPA, replayable=True),),
    payments.PaymentExpired: (Route(close_cancelled_link, Group.CHAPA, replayable=True),),
    # A person decides; the money is in the ledger.
    payments.PaymentMismatched: (Route(mail_payment_in_review, Group.MAIL),),
    payments.PaymentRefunded: (
        Route(flag_unpaid_booking, Group.CORE, ordered=True),
        Route(mail_refunded_money, Group.MAIL),
    ),
    payments.PaymentReversed: (
        Route(flag_unpaid_booking, Group.CORE, ordered=True),
        Route(mail_reversed_payment, Group.MAIL),
    ),
    payments.RefundRequested: (
        Route(send_refund, Group.CHAPA),
        Route(mail_ordered_refund, Group.MAIL),
    ),
    payments.RefundSucceeded: (Route(mail_refunded_money, Group.MAIL),),
    # A person decides. What it had bound may be owed by the terms of a stay that was given up.
    payments.RefundFailed: (
        Route(order_what_terms_still_owe, Group.CORE, replayable=True),
        Route(mail_failed_refund, Group.MAIL),
    ),
    payments.RefundDelayed: (Route(mail_delayed_refund, Group.MAIL),),
    payments.PaymentAccepted: (),
    payments.StatementDiffered: (Route(mail_differences, Group.MAIL),),
    bookings.BookingExpired: (
        Route(close_failed_links, Group.CHAPA, replayable=True),
        Route(mail_expired_hold, Group.MAIL),
    ),
    bookings.BookingCancelled: (
        Route(close_failed_links, Group.CHAPA, replayable=True),
        Route(mail_cancelled_stay, Group.MAIL),
    ),
}
