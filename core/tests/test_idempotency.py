import threading
import time
from datetime import UTC, datetime
from uuid import UUID

import pytest
from django.db import connection, transaction

from core.errors import Invalid
from core.idempotency import (
    IdempotencyKeyMissing,
    IdempotencyKeyReused,
    find_resource,
    fingerprint,
    read_key,
    remember_resource,
)
from core.ids import new_id

AT = datetime(2026, 11, 22, tzinfo=UTC)
SOMEONE = UUID(int=1)
ASKED = fingerprint("/api/v1/bookings", {"guests": 2})


def _make_once(principal: UUID = SOMEONE, key: str = "k", asked: str = ASKED) -> UUID:
    """Do what a service does: find, or make and remember."""
    with transaction.atomic():
        made = find_resource(principal=principal, key=key, fingerprint=asked)
        if made is not None:
            return made
        made = new_id()
        remember_resource(principal=principal, key=key, fingerprint=asked, resource_id=made, at=AT)
        return made


@pytest.mark.django_db
def test_the_same_key_returns_what_it_made_before() -> None:
    assert _make_once() == _make_once()


@pytest.mark.django_db
def test_the_same_key_for_another_request_is_refused() -> None:
    _make_once()

    with pytest.raises(IdempotencyKeyReused):
        _make_once(asked=fingerprint("/api/v1/bookings", {"guests": 3}))


@pytest.mark.django_db
def test_two_people_may_use_the_same_key() -> None:
    assert _make_once(SOMEONE) != _make_once(UUID(int=2))


@pytest.mark.django_db
def test_a_key_whose_transaction_failed_is_new_again() -> None:
    with transaction.atomic():
        _make_once()
        transaction.set_rollback(True)

    with transaction.atomic():
        assert find_resource(principal=SOMEONE, key="k", fingerprint=ASKED) is None


@pytest.mark.django_db(transaction=True)
def test_of_two_at_once_the_second_waits_and_finds_what_the_first_made() -> None:
    inside, found = threading.Event(), list[UUID]()

    def second() -> None:
        inside.wait(5)
        found.append(_make_once())
        connection.close()

    thread = threading.Thread(target=second)
    thread.start()
    with transaction.atomic():
        assert find_resource(principal=SOMEONE, key="k", fingerprint=ASKED) is None
        inside.set()
        _wait_until_someone_waits()
        first = new_id()
        remember_resource(principal=SOMEONE, key="k", fingerprint=ASKED, resource_id=first, at=AT)
        assert found == []
    thread.join(5)

    assert found == [first]


def _wait_until_someone_waits() -> None:
    ends = time.monotonic() + 5
    with connection.cursor() as cursor:
        while time.monotonic() < ends:
            cursor.execute(
                "select count(*) from pg_locks where locktype = 'advisory' and not granted"
            )
            if cursor.fetchone()[0]:
                return
            time.sleep(0.005)
    raise AssertionError("nobody waits for the key")


@pytest.mark.parametrize(
    ("header", "key"), [("abc", "abc"), (' "abc" ', "abc"), ('""a', '""a'), ("x" * 255, "x" * 255)]
)
def test_a_key_may_be_quoted_or_bare(header: str, key: str) -> None:
    assert read_key(header, required=True) == key


@pytest.mark.parametrize("header", ["", '""', "x" * 256, "schlüssel", "a\tb", "a\x00"])
def test_a_key_that_is_not_printable_ascii_is_refused(header: str) -> None:
    with pytest.raises(Invalid):
        read_key(header, required=False)


def test_a_missing_key_is_refused_only_where_it_is_required() -> None:
    assert read_key(None, required=False) is None
    with pytest.raises(IdempotencyKeyMissing):
        read_key(None, required=True)


def test_the_order_of_a_bodys_members_does_not_matter() -> None:
    assert fingerprint("/p", {"a": 1, "b": 2}) == fingerprint("/p", {"b": 2, "a": 1})


@pytest.mark.parametrize(("path", "body"), [("/q", {"a": 1}), ("/p", {"a": "1"}), ("/p", {})])
def test_another_path_or_body_is_another_request(path: str, body: dict[str, object]) -> None:
    assert fingerprint(path, body) != fingerprint("/p", {"a": 1})
