"""What no request may set, and whom no request may reach: for every operation of the schema."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import Permission
from django.urls import URLResolver, get_resolver
from django.utils import timezone
from drf_spectacular.generators import SchemaGenerator
from rest_framework.test import APIClient

from bookings.models import Booking
from bookings.tests.cast import client_of, key, payment_for
from bookings.tests.factories import BookingFactory
from core.auth import BearerAuthentication
from core.ids import new_id
from core.models import Throttle, User
from core.tests.factories import UserFactory
from payments.models import Payment

pytestmark = pytest.mark.django_db

FORBIDDEN = {
    "amount": "1.00",
    "booking": str(new_id()),
    "callback_url": "https://evil.example/",
    "checkout_url": "https://evil.example/",
    "code": "ABCDEFGH",
    "confirmed_at": "2027-01-01T00:00:00Z",
    "currency": "USD",
    "expires_at": "2099-01-01T00:00:00Z",
    "gateway_reference": "AP1",
    "groups": [1],
    "hold_expires_at": "2099-01-01T00:00:00Z",
    "id": str(new_id()),
    "is_active": False,
    "is_staff": True,
    "is_superuser": True,
    "mode": "live",
    "nightly_price": "1.00",
    "paid_by": str(new_id()),
    "password_hash": "x",
    "payer": str(new_id()),
    "price": "1.00",
    "refunded": {"amount": "1.00", "currency": "ETB"},
    "return_url": "https://evil.example/",
    "status": "confirmed",
    "total": {"amount": "1.00", "currency": "ETB"},
    "total_amount": "1.00",
    "traveller": str(new_id()),
    "tx_ref": "guzo-1",
    "user": str(new_id()),
    "user_permissions": [1],
    "__proto__": {"is_staff": True},
}
PUBLIC_IDS = {"listing_id"}
# Some of these names are a request's own.
OWN = {"plan_replay": {"mode"}, "request_refund": {"amount"}}


@dataclass(frozen=True)
class Operation:
    name: str
    method: str
    path: str
    shape: dict[str, Any]

    @property
    def is_public(self) -> bool:
        return self.shape.get("security") is None

    @property
    def is_for_operators(self) -> bool:
        return self.path.startswith("/api/v1/ops/")

    def ask(self, client: APIClient, ids: dict[str, Any], body: Any = None) -> Any:
        """Fail with a KeyError if the path has an id that these tests know nothing of."""
        return client.generic(
            self.method,
            self.path.format_map({name: str(value) for name, value in ids.items()}),
            json.dumps(body or {}),
            content_type="application/json",
            headers=key(),
        )


@pytest.fixture(scope="module")
def operations() -> list[Operation]:
    document = SchemaGenerator().get_schema(public=True)
    return [
        Operation(shape["operationId"], method.upper(), path, shape)
        for path, methods in document["paths"].items()
        for method, shape in methods.items()
    ]


@pytest.fixture
def booking() -> Booking:
    return BookingFactory.create()


@pytest.fixture
def payment(booking: Booking) -> Payment:
    return payment_for(booking)


@pytest.fixture
def ids(booking: Booking, payment: Payment) -> dict[str, Any]:
    return {
        "booking_id": booking.id,
        "payment_id": payment.id,
        "listing_id": booking.listing_id,
        "replay_id": new_id(),
        "refund_id": new_id(),
        "difference_id": new_id(),
    }


def _nowhere(ids: dict[str, Any]) -> dict[str, Any]:
    return {name: new_id() for name in ids}


def _rows() -> Iterator[tuple[str, Any]]:
    for label in ("core", "bookings", "payments", "events", "knox"):
        for model in apps.get_app_config(label).get_models():
            if model is not Throttle:  # that someone asked is counted
                yield from (
                    (model.__name__, row) for row in model._default_manager.order_by("pk").values()
                )


def _good_body(name: str, booking: Booking) -> dict[str, Any]:
    """Return what would be accepted; a KeyError is a write that these tests know nothing of."""
    day = timezone.now().date() + timedelta(days=90)
    bodies: dict[str, dict[str, Any]] = {
        "register_user": {
            "email": "liya@guzo.et",
            "password": "kurs-buna-72-lalibela",
            "first_name": "Liya",
            "last_name": "Desta",
        },
        "log_in": {"email": booking.traveller.email, "password": "kurs-buna-72-lalibela"},
        "hold_booking": {
            "listing": str(booking.listing_id),
            "check_in": str(day),
            "check_out": str(day + timedelta(days=1)),
            "guests": 1,
        },
        "cancel_booking": {},
        "start_payment": {},
        "verify_payment": {},
        "plan_replay": {"select": {"state": "dead"}, "reason": "mended"},
        "execute_replay": {"reason": "mended"},
        "pause_replay": {},
        "cancel_replay": {},
        "request_refund": {"reason": "goodwill"},
        "accept_payment": {"reason": "the traveller was short of one birr"},
        "resolve_refund": {"sent": True, "reason": "by bank transfer"},
        "resolve_booking": {"reason": "paid in cash"},
        "resolve_difference": {"reason": "the donation page, not ours"},
    }
    return bodies[name]


def test_no_write_sets_what_is_not_its_own(
    operations: list[Operation], booking: Booking, ids: dict[str, Any]
) -> None:
    traveller = client_of(booking.traveller)
    operator = client_of(UserFactory.create(is_staff=True, is_superuser=True))
    before = list(_rows())
    writes = [each for each in operations if "requestBody" in each.shape]

    for write in writes:
        good = _good_body(write.name, booking)
        client = operator if write.is_for_operators else traveller
        for field in FORBIDDEN.keys() - OWN.get(write.name, set()):
            answer = write.ask(client, ids, good | {field: FORBIDDEN[field]})
            assert answer.status_code == 400, (write.name, field, answer.content)
            assert [(each["pointer"], each["code"]) for each in answer.json()["errors"]] == [
                (f"/{field}", "unknown_field")
            ]

    assert list(_rows()) == before
    assert {each.method for each in operations if each not in writes} <= {"GET", "DELETE"}


def test_someone_elses_object_answers_as_one_that_is_not_there(
    operations: list[Operation], ids: dict[str, Any]
) -> None:
    stranger = client_of(UserFactory.create())
    before = list(_rows())
    owned = [
        each
        for each in operations
        if "{" in each.path
        and not each.is_for_operators
        and PUBLIC_IDS.isdisjoint(re.findall(r"{(\w+)}", each.path))
    ]
    assert owned

    for operation in owned:
        theirs = operation.ask(stranger, ids)
        nothing = operation.ask(stranger, _nowhere(ids))
        assert theirs.status_code == nothing.status_code == 404, operation
        assert theirs.content == nothing.content
        assert _said(theirs) == _said(nothing)

    assert list(_rows()) == before


def test_nobody_gets_in_without_a_login(operations: list[Operation], ids: dict[str, Any]) -> None:
    for operation in operations:
        if not operation.is_public:
            theirs = operation.ask(APIClient(), ids)
            nothing = operation.ask(APIClient(), _nowhere(ids))
            assert theirs.status_code == nothing.status_code == 401, operation
            assert theirs.content == nothing.content


def test_reading_changes_nothing(
    operations: list[Operation], booking: Booking, ids: dict[str, Any]
) -> None:
    owner = User.objects.get(id=booking.traveller_id)
    User.objects.filter(id=owner.id).update(is_staff=True, is_superuser=True)
    owner.refresh_from_db()
    before = list(_rows())
    reads = [each for each in operations if each.method == "GET"]

    answers = {each.name: each.ask(client_of(owner), ids).status_code for each in reads}

    assert [name for name, status in answers.items() if status != 200] == ["get_replay"]
    assert list(_rows()) == before


def test_only_chapas_doors_take_a_form_from_another_site() -> None:
    exempt = {
        address
        for address, view in _doors(get_resolver())
        if getattr(view, "csrf_exempt", False) and not _takes_tokens_alone(view)
    }

    assert exempt == {"webhooks/chapa", "callbacks/chapa"}


@pytest.mark.parametrize("staff", [False, True])
def test_operators_doors_are_shut_to_who_has_not_the_permission(
    operations: list[Operation], booking: Booking, ids: dict[str, Any], staff: bool
) -> None:
    someone = User.objects.get(id=booking.traveller_id)
    someone.is_staff = staff
    someone.save()
    doors = [each for each in operations if each.is_for_operators]
    assert doors

    for operation in doors:
        for asked in (ids, _nowhere(ids)):
            answer = operation.ask(client_of(someone), asked)
            assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")


def test_an_operator_sees_no_link_that_pays(ids: dict[str, Any]) -> None:
    operator = UserFactory.create(is_staff=True)
    operator.user_permissions.add(Permission.objects.get(codename="view_event"))

    answer = client_of(operator).get(f"/api/v1/ops/payments/{ids['payment_id']}/timeline")

    assert answer.status_code == 200
    assert "/checkout/" not in answer.content.decode()


def _doors(resolver: URLResolver, at: str = "") -> Iterator[tuple[str, Any]]:
    for each in resolver.url_patterns:
        address = at + str(each.pattern)
        if isinstance(each, URLResolver):
            yield from _doors(each, address)
        else:
            yield address, each.callback


def _takes_tokens_alone(view: Any) -> bool:
    """A browser sends cookies from wherever it is told to, and no token."""
    kind = getattr(view, "cls", None)
    return kind is not None and set(kind.authentication_classes) <= {BearerAuthentication}


def _said(answer: Any) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name != "X-Request-Id"}
