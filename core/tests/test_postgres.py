import os
import socket
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

pytestmark = pytest.mark.django_db(transaction=True)


def another() -> Any:
    """A connection of its own, of the class that settings name."""
    copy = connection.copy()
    copy.connect()
    return copy


def test_a_connection_that_stands_is_not_asked() -> None:
    other = another()
    with CaptureQueriesContext(other) as queries:
        assert other.is_usable()
    assert not queries.captured_queries
    other.close()
    assert not other.is_usable()


def test_one_that_was_told_something_is_asked_and_used() -> None:
    other = another()
    other.cursor().execute("listen anybody")
    with connection.cursor() as cursor:
        cursor.execute("notify anybody")
    assert other.is_usable()
    other.close()


def test_one_that_the_server_ended_is_not_used() -> None:
    other = another()
    with connection.cursor() as cursor:
        cursor.execute("select pg_terminate_backend(%s, 5000)", [other.connection.info.backend_pid])
    assert not other.is_usable()


def test_one_that_broke_without_a_word_is_not_used() -> None:
    other = another()
    with socket.socket(fileno=os.dup(other.connection.fileno())) as line:
        line.shutdown(socket.SHUT_RDWR)
    assert not other.is_usable()
