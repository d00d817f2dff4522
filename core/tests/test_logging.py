import io
import json
import logging
import logging.config
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from decimal import Decimal
from typing import Any

import pytest
import structlog
from django.conf import settings
from django.db import DatabaseError, connection, transaction

Line = Callable[[], dict[str, Any]]

# What must not be written, and the part of it that must not be seen.
SECRETS = [
    ("selam@guzo.et", "selam"),
    ("0911223344", "0911223344"),
    ("+251911223344", "911223344"),
    ("251711223344", "711223344"),
    ("CHASECK_TEST-localGuzo0123456789", "localGuzo"),
    ("CHASECK-abcDEF", "abcDEF"),
    ("http://127.0.0.1:8010/checkout/payment/a1B2-c3_D4", "c3_D4"),
    ("http://127.0.0.1:8000/return/Zk3-9_xQ", "9_xQ"),
    ("ሰላም@ጉዞ.com", "ሰላም"),
    ("/login?email=selam%40guzo.et", "selam"),
    ("0911 22 33 44", "22 33"),
    ("+251-911-223344", "223344"),
    ("/users?phone=%2B251911223344", "911223344"),
    ("http%3A%2F%2Fchapa.co%2Fcheckout%2Fpayment%2Fa1B2-c3_D4", "c3_D4"),
    ("https%3A%2F%2Fguzo.et%2Freturn%2FZk3-9_xQ", "9_xQ"),
    ("Authorization: Bearer 0a1b2c3d4e5f", "0a1b2c3d4e5f"),
    ("argon2$argon2id$v=19$m=102400,t=2,p=8$c2FsdA$aGFzaA", "c2FsdA"),
    ("postgres://guzo:db-pass/word@db.internal:5432/guzo", "db-pass"),
]


@pytest.fixture
def line() -> Iterator[Line]:
    """Return the last line as our formatter writes it."""
    ours = logging.config.DictConfigurator(deepcopy(settings.LOGGING))
    handler = logging.StreamHandler(io.StringIO())
    handler.setFormatter(ours.configure_formatter(ours.config["formatters"]["json"]))
    logging.getLogger().addHandler(handler)
    yield lambda: dict(json.loads(handler.stream.getvalue().splitlines()[-1]))
    logging.getLogger().removeHandler(handler)


log = structlog.get_logger("core.tests")


@pytest.mark.parametrize(("secret", "telling"), SECRETS)
def test_what_identifies_or_pays_is_masked_in_any_text(
    line: Line, secret: str, telling: str
) -> None:
    log.warning("odd", note=f"about {secret}, twice: {secret}", nested={"deep": [secret]})

    assert telling not in json.dumps(line())
    assert line()["note"].startswith("about ")


@pytest.mark.parametrize(("secret", "telling"), SECRETS)
def test_it_is_masked_in_lines_of_libraries(line: Line, secret: str, telling: str) -> None:
    logging.getLogger("some.library").warning("sent %s to %r", secret, {"x": secret})

    assert telling not in json.dumps(line())
    assert line()["event"].startswith("sent ")


def test_it_is_masked_in_tracebacks(line: Line) -> None:
    try:
        raise ValueError("no mailbox selam@guzo.et")
    except ValueError:
        log.exception("failed")

    assert "selam" not in json.dumps(line())
    assert "no mailbox [redacted]" in line()["exception"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    "statement",
    [
        "insert into core_user (id, first_name) values (gen_random_uuid(), 'Tesfanesh')",
        "select id from core_user where nonsense = 'Tesfanesh'",
    ],
)
def test_it_is_masked_where_postgresql_quotes_a_row_or_a_statement(
    line: Line, statement: str
) -> None:
    with (
        pytest.raises(DatabaseError, match="Tesfanesh") as caught,
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)

    log.error("failed", error=repr(caught.value), exc_info=caught.value)

    assert "Tesfanesh" not in json.dumps(line())
    assert line()["error"].endswith("[redacted]")
    assert line()["exception"].count("[redacted]") == 2


@pytest.mark.parametrize("letter", "a:@/%0 ")
def test_no_text_takes_long_to_look_through(line: Line, letter: str) -> None:
    """Strangers write some of it: gunicorn quotes request lines that are broken."""
    began = time.process_time()

    log.warning("odd", note=letter * 20_000, link="://a" * 1000, hash="argon2" * 700)

    assert time.process_time() - began < 1


def test_it_is_masked_in_objects_that_are_not_text(line: Line) -> None:
    log.warning("odd", error=ValueError("selam@guzo.et"), several={"0911223344"})

    assert "selam" not in json.dumps(line())
    assert "0911223344" not in json.dumps(line())


@pytest.mark.parametrize(
    "name", ["email", "phone_number", "password", "token", "checkout_url", "Authorization", "body"]
)
def test_some_fields_are_dropped_whatever_they_hold(line: Line, name: str) -> None:
    log.warning("odd", **{name: "plain"}, inner={name: "plain"})

    assert name not in line()
    assert line()["inner"] == {}


def test_what_operators_need_stays(line: Line) -> None:
    log.info(
        "settled",
        payment_id="6f1c0f5e-9d8b-4c2f-8a7e-3b1d0c9f8e7d",
        tx_ref="guzo-6f1c0f5e9d8b4c2f8a7e3b1d0c9f8e7d",
        amount=Decimal("1850.00"),
        attempts=3,
        late=False,
    )

    told = line()
    assert told["payment_id"] == "6f1c0f5e-9d8b-4c2f-8a7e-3b1d0c9f8e7d"
    assert told["tx_ref"] == "guzo-6f1c0f5e9d8b4c2f8a7e3b1d0c9f8e7d"
    assert (told["amount"], told["attempts"], told["late"]) == ("1850.00", 3, False)
    assert (told["event"], told["level"], told["logger"]) == ("settled", "info", "core.tests")
