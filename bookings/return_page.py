"""The page a traveller comes back to. Whoever holds the key sees this stay's state, no more."""

import re
from datetime import timedelta

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_protect

from bookings.models import Booking
from bookings.services import paying
from core.errors import Refusal
from payments.services import checkout, hints, status

# Not `no-referrer`: under it a browser sends `Origin: null`, and the form below would be refused.
HEADERS = {"Cache-Control": "no-store", "Referrer-Policy": "same-origin"}
_GIVEN_UP = (status.Payment.Status.FAILED, status.Payment.Status.CANCELLED)
_LONG = timedelta(minutes=2).total_seconds()
_SECONDS = re.compile(r"[0-9]{1,12}")


@method_decorator(csrf_protect, name="dispatch")
class ReturnPage(View):
    """`GET` tells how things stand, `POST` may only open a payment for this held booking."""

    http_method_names = ("get", "head", "post")

    def get(self, request: HttpRequest, key: str) -> HttpResponse:
        payment = checkout.find_payment_by_return_key(key)
        if payment is None:
            return self._page(request, None, None, problem="", http_status=404)
        booking = self._booking(payment)
        # The address that the page itself leads to says since when it is shown.
        arrives = "since" not in request.GET and booking.status == Booking.Status.HELD
        hints.hint_return(payment, arrives=arrives, at=timezone.now())
        return self._page(request, status.get(payment.id), booking, problem="")

    def post(self, request: HttpRequest, key: str) -> HttpResponse:
        payment = checkout.find_payment_by_return_key(key)
        if payment is None:
            return self._page(request, None, None, problem="", http_status=404)
        booking = self._booking(payment)
        try:
            start = paying.start_payment(
                booking_id=booking.id,
                traveller=booking.traveller,
                request_key=None,
                at=timezone.now(),
            )
        except Refusal as refusal:
            return self._page(
                request, payment, booking, problem=refusal.title, http_status=refusal.status
            )
        if start.payment.payable_url:
            return HttpResponseRedirect(start.payment.payable_url, headers=HEADERS)
        payment = status.get(payment.id)
        problem = "" if payment.is_paid else "Chapa has not answered yet. Try again in a moment."
        return self._page(request, payment, booking, problem=problem)

    def _booking(self, payment: status.Payment) -> Booking:
        return Booking.objects.select_related("listing", "traveller").get(id=payment.reference)

    def _page(
        self,
        request: HttpRequest,
        payment: status.Payment | None,
        booking: Booking | None,
        *,
        problem: str,
        http_status: int = 200,
    ) -> HttpResponse:
        held = booking is not None and booking.status == Booking.Status.HELD
        waiting = payment is not None and _is_waiting(payment, held=held)
        silent = waiting and payment is not None and status.is_unanswered(payment)
        may_retry = held and payment is not None and _may_be_followed(payment)
        now = int(timezone.now().timestamp())
        since = _shown_since(request, now)
        values = {
            "payment": payment,
            "booking": booking,
            "problem": problem,
            "waiting": waiting,
            "silent": silent,
            "since": since,
            "long": now - since >= _LONG,
            # Never a second button while the first payment may have arrived.
            "may_retry": may_retry and not waiting,
            "looks_again": waiting or may_retry,
        }
        page = render(request, "bookings/return.html", values, status=http_status)
        for name, value in HEADERS.items():
            page.headers[name] = value
        return page


def _shown_since(request: HttpRequest, now: int) -> int:
    """Return when this page was first shown, as its own address says. It changes words only."""
    said = request.GET.get("since", "")
    return min(int(said), now) if _SECONDS.fullmatch(said) else now


def _may_be_followed(payment: status.Payment) -> bool:
    """Whether no more money is wanted on its page, so that another payment may take its place."""
    return payment.status in _GIVEN_UP or payment.is_closed_early


def _is_waiting(payment: status.Payment, *, held: bool) -> bool:
    """Whether Chapa may know more than we do: nobody has asked since there was news."""
    if payment.is_paid:
        return held
    if _may_be_followed(payment):
        closed = payment.link_closed_at if payment.is_closed_early else None
        news = [moment for moment in (payment.hinted_at, closed) if moment is not None]
        return any(payment.asked_at is None or payment.asked_at < moment for moment in news)
    return payment.status == status.Payment.Status.PENDING
