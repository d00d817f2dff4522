"""A person is shown what is held about them, and forgotten."""

import json
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.sessions.backends.db import SessionStore
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone
from knox.models import AuthToken

from bookings.models import Booking, Mail
from bookings.services.holding import Stay, hold_booking
from bookings.tests.cast import apply, deliver_at, pay_silently, payment_for, start
from bookings.tests.factories import BookingFactory, ListingFactory
from core import idempotency
from core.accounts import AccountClosed
from core.ids import new_id
from core.models import User
from core.tests.factories import PASSWORD, UserFactory
from core.tests.threads import at_once, eventually
from payments.chapa.sandbox.server import RunningSandbox
from payments.models import IncomingWebhook, Payment, Refund
from payments.services.hints import receive_webhook
from payments.services.retention import prune_webhooks
from payments.tests.cast import signed
from workers.personal_data import ErasureRefused, PersonUnknown, erase_person

PERSON = {
    "email": "tesfanesh.w@guzo.et",
    "first_name": "Tesfanesh",
    "last_name": "Woldegiorgis",
    "phone_number": "0922334455",
}
TELLING = [*PERSON.values(), "922334455"]


@pytest.fixture
def person(db: None) -> User:
    return UserFactory.create(password="argon2$of-nothing", **PERSON)


def _erase(user: User, *, at: datetime | None = None, dry_run: bool = False) -> dict[str, int]:
    return erase_person(
        email=user.email,
        actor="operator",
        reason="asked for it",
        at=at or timezone.now(),
        dry_run=dry_run,
    )


def _webhook(payment: Payment, user: User, at: datetime) -> None:
    """Chapa tells us, with all that it tells about a payer."""
    body = json.dumps({"tx_ref": payment.tx_ref, "status": "success", **PERSON}).encode()
    receive_webhook(body=body, headers=signed(body), sender="", at=at)


def _tables_that_tell() -> set[str]:
    """Return every table of the database that holds a word about the person, in whatever form."""
    found = set()
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"select coalesce(string_agg(t::text, ' '), '') from {table} t")
            text = cursor.fetchone()[0]
            if any(each in text or each.encode().hex() in text for each in TELLING):
                found.add(table)
    return found


def _paid_stay(chapa: RunningSandbox, user: User, at: datetime) -> Booking:
    booking = BookingFactory.create(traveller=user)
    payment = start(booking, at)
    pay_silently(chapa, payment)
    _webhook(payment, user, at)
    deliver_at(at + timedelta(seconds=1))
    booking.refresh_from_db()
    assert booking.status == Booking.Status.CONFIRMED
    return booking


@pytest.mark.django_db(transaction=True)
def test_nothing_in_the_whole_database_tells_who_an_erased_traveller_was(
    chapa: RunningSandbox, person: User
) -> None:
    now = timezone.now()
    booking = _paid_stay(chapa, person, now)
    AuthToken.objects.create(person)
    LogEntry.objects.log_actions(UserFactory.create().id, [person], CHANGE, single_object=True)
    assert _tables_that_tell() == {"core_user", "django_admin_log", "payments_incomingwebhook"}

    removed = _erase(person, at=now + timedelta(days=40))

    assert _tables_that_tell() == set()
    assert removed == {
        "webhook bodies": 1,
        "payment links": 1,
        "logins": 1,
        "admin sessions": 0,
        "idempotency keys": 0,
    }
    booking.refresh_from_db()
    payment = Payment.objects.get()
    assert (booking.traveller, payment.payer, payment.status) == (person, person, "succeeded")
    assert payment.ledger.count() == 1
    erased = User.objects.get(id=person.id)
    assert (erased.erased_by, erased.erased_because) == ("operator", "asked for it")
    assert not erased.is_active


@pytest.mark.django_db
def test_old_logins_are_over_and_the_address_is_free_again(person: User, client: Client) -> None:
    token = AuthToken.objects.create(person)[1]
    session = SessionStore()
    session["_auth_user_id"] = str(person.id)
    session.save()
    _remember_key(person)

    removed = _erase(person)

    assert (removed["admin sessions"], removed["idempotency keys"]) == (1, 1)
    bearer = {"Authorization": f"Bearer {token}"}
    assert client.get("/api/v1/bookings", headers=bearer).status_code == 401
    assert not User.objects.get(id=person.id).has_usable_password()
    client.post("/api/v1/users", PERSON | {"password": PASSWORD}, "application/json")
    assert User.objects.get(email=PERSON["email"]).id != person.id


@pytest.mark.django_db
def test_a_dry_run_counts_and_changes_nothing(person: User) -> None:
    AuthToken.objects.create(person)
    before = User.objects.values().get(id=person.id)

    assert _erase(person, dry_run=True)["logins"] == 1

    assert User.objects.values().get(id=person.id) == before
    assert AuthToken.objects.count() == 1


@pytest.mark.django_db
def test_repeating_an_erasure_finds_nobody(person: User) -> None:
    _erase(person)

    with pytest.raises(PersonUnknown):
        erase_person(email=PERSON["email"], actor="o", reason="r", at=timezone.now())


@pytest.mark.django_db
class TestRefusal:
    @pytest.mark.parametrize(
        ("values", "is_in_the_way"),
        [
            ({"status": "held"}, True),
            ({"status": "confirmed", "paid_by": new_id()}, True),
            ({"status": "expired"}, False),
            ({"status": "cancelled"}, False),
        ],
    )
    def test_a_stay_that_is_ahead_is_in_the_way(
        self, person: User, values: dict[str, Any], *, is_in_the_way: bool
    ) -> None:
        booking = BookingFactory.create(traveller=person, **values)

        if not is_in_the_way:
            _erase(person)
            return
        with pytest.raises(ErasureRefused, match=f"Booking {booking.code}"):
            _erase(person)

    def test_a_stay_that_is_over_is_not(self, person: User) -> None:
        booking = BookingFactory.create(traveller=person, status="confirmed", paid_by=new_id())
        last_day = timezone.now().replace(hour=12) + (
            booking.check_out - timezone.now().date() - timedelta(days=1)
        )

        with pytest.raises(ErasureRefused):
            _erase(person, at=last_day)
        _erase(person, at=last_day + timedelta(days=1))

    @pytest.mark.parametrize("status", ["pending", "in_review"])
    def test_an_open_payment_is(self, person: User, status: str) -> None:
        booking = BookingFactory.create(traveller=person, status="cancelled")
        payment_for(booking, status=status)

        with pytest.raises(ErasureRefused, match="settle it first"):
            _erase(person)

    @pytest.mark.parametrize(
        ("state", "is_in_the_way"),
        [
            ("requested", True),
            ("submitted", True),
            ("unknown", True),
            ("succeeded", False),
            ("failed", False),
        ],
    )
    def test_a_refund_on_its_way_is(self, person: User, state: str, *, is_in_the_way: bool) -> None:
        booking = BookingFactory.create(traveller=person, status="cancelled")
        payment = payment_for(booking, status="succeeded")
        Refund.objects.create(
            payment=payment,
            amount=1,
            currency="ETB",
            state=state,
            source="system",
            reason="surplus",
            requested_at=timezone.now(),
        )

        if not is_in_the_way:
            _erase(person)
            return
        with pytest.raises(ErasureRefused, match="see it arrive"):
            _erase(person)

    def test_what_a_host_offers_and_has_promised_is(self, person: User) -> None:
        listing = ListingFactory.create(host=person)
        BookingFactory.create(listing=listing)

        with pytest.raises(ErasureRefused, match=r"a guest's of this host.*withdraw it first"):
            _erase(person)


@pytest.mark.django_db(transaction=True)
def test_late_money_of_an_erased_traveller_is_recorded_and_goes_back(
    chapa: RunningSandbox, person: User
) -> None:
    now = timezone.now()
    booking = BookingFactory.create(traveller=person)
    payment = start(booking, now)
    Booking.objects.update(status="expired")
    Payment.objects.update(status="expired", link_closed_at=now)
    _erase(person)

    pay_silently(chapa, payment)
    _webhook(payment, person, now)
    deliver_at(now + timedelta(seconds=1))

    payment.refresh_from_db()
    assert payment.status == "succeeded"
    assert payment.ledger.count() == 1
    assert Refund.objects.get().reason == "traveller_erased"
    booking.refresh_from_db()
    assert booking.status == "expired"
    assert {each.state for each in Mail.objects.all()} == {Mail.State.SKIPPED}
    assert prune_webhooks(at=now)["webhook_bodies"] == 1
    assert IncomingWebhook.objects.get().body is None
    assert _tables_that_tell() == set()


@pytest.mark.django_db
def test_no_letter_is_written_to_an_erased_traveller(person: User) -> None:
    booking = BookingFactory.create(traveller=person)
    now = timezone.now()
    apply(booking, payment_for(booking, status="succeeded"), at=now)
    later = now + timedelta(days=40)
    _erase(person, at=later)

    deliver_at(later)

    assert Mail.objects.get().state == Mail.State.SKIPPED


def _hold(user: User) -> Booking:
    now = timezone.now()
    day = now.date() + timedelta(days=9)
    stay = Stay(ListingFactory.create().id, day, day + timedelta(days=1), 1)
    return hold_booking(stay=stay, traveller=user, request_key=None, at=now)


def _somebody_waits() -> bool:
    with connection.cursor() as cursor:
        # Within a transaction PostgreSQL shows the same moment for ever.
        cursor.execute("select pg_stat_clear_snapshot()")
        cursor.execute(
            "select 1 from pg_stat_activity"
            " where datname = current_database() and wait_event_type = 'Lock'"
        )
        return cursor.fetchone() is not None


@pytest.mark.django_db(transaction=True)
def test_a_booking_made_while_erasing_does_not_slip_through(person: User) -> None:
    def both(number: int) -> str:
        if number:
            with transaction.atomic():
                _erase(person)
                eventually(_somebody_waits)
            return "erased"
        eventually(lambda: _is_locked(person))
        with pytest.raises(AccountClosed):
            _hold(person)
        return "refused"

    assert at_once(2, both) == ["refused", "erased"]
    assert not Booking.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_an_erasure_waits_for_a_booking_that_is_being_made_and_is_refused(person: User) -> None:
    def both(number: int) -> str:
        if number:
            with transaction.atomic():
                _hold(person)
                eventually(_somebody_waits)
            return "held"
        eventually(lambda: _is_locked(person))
        with pytest.raises(ErasureRefused):
            _erase(person)
        return "refused"

    assert at_once(2, both) == ["refused", "held"]
    assert User.objects.get(id=person.id).erased_at is None


def _is_locked(user: User) -> bool:
    with transaction.atomic():
        free = User.objects.select_for_update(skip_locked=True, no_key=True).filter(id=user.id)
        return not free.exists()


def _remember_key(user: User) -> None:
    idempotency.remember_resource(
        principal=user.id, key="a-key", fingerprint="", resource_id=new_id(), at=timezone.now()
    )


def _print(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


@pytest.mark.django_db(transaction=True)
def test_an_export_tells_everything_but_what_opens_something(
    chapa: RunningSandbox, person: User
) -> None:
    booking = _paid_stay(chapa, person, timezone.now())
    token = AuthToken.objects.create(person)[1]
    _remember_key(person)

    text = _print("export_user", PERSON["email"].upper())

    held = json.loads(text)
    account, (payment,) = held["account"], held["payments"]
    assert {name: account[name] for name in PERSON} == PERSON
    assert len(account["logins"]) == 1
    assert account["idempotency_keys"][0]["key"] == "a-key"
    assert [each["code"] for each in held["bookings"]] == [booking.code]
    assert held["mails"][0]["kind"] == "confirmation"
    assert [each["kind"] for each in payment["ledger"]] == ["capture"]
    assert [each["kind"] for each in payment["gateway_calls"]] == ["initialize", "verify"]
    assert "Woldegiorgis" in payment["webhooks"][0]["body"]
    row = Payment.objects.get()
    secrets = (token, token[:15], person.password, row.checkout_url, row.return_key_digest)
    assert [secret for secret in secrets if secret in text] == []


@pytest.mark.django_db
def test_an_export_file_is_for_its_owner_alone_and_never_written_over(
    person: User, tmp_path: Path
) -> None:
    file = tmp_path / "person.json"

    assert _print("export_user", person.email, "--output", str(file)) == ""

    assert json.loads(file.read_text())["account"]["email"] == person.email
    assert file.stat().st_mode & 0o777 == 0o600
    with pytest.raises(CommandError, match="File exists"):
        _print("export_user", person.email, "--output", str(file))


@pytest.mark.django_db
@pytest.mark.parametrize(
    "command", [("export_user",), ("erase_user", "--actor", "o", "--reason", "r")]
)
def test_an_unknown_address_is_said_so(command: tuple[str, ...]) -> None:
    with pytest.raises(CommandError, match="Nobody has this address") as refused:
        _print(*command, "nobody@guzo.et")
    assert refused.value.returncode == 1


@pytest.mark.django_db
class TestEraseCommand:
    def test_it_does_nothing_until_told_to(self, person: User) -> None:
        arguments = ("erase_user", person.email, "--actor", "Almaz", "--reason", "letter of 3 May")

        assert "nothing was changed" in _print(*arguments)
        assert User.objects.get(id=person.id).erased_at is None

        assert "erased" in _print(*arguments, "--yes")
        assert User.objects.get(id=person.id).erased_because == "letter of 3 May"

    def test_it_says_what_is_in_the_way(self, person: User) -> None:
        booking = BookingFactory.create(traveller=person)

        with pytest.raises(CommandError, match=f"{booking.code} is held, and not over: cancel"):
            _print("erase_user", person.email, "--actor", "o", "--reason", "r", "--yes")

    def test_it_wants_a_reason(self, person: User) -> None:
        with pytest.raises(CommandError, match="must say something"):
            _print("erase_user", person.email, "--actor", "o", "--reason", " ", "--yes")
