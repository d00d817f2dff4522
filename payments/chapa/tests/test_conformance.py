import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from payments.chapa.conformance import documented
from payments.chapa.conformance.differences import as_table, find_differences
from payments.chapa.conformance.documented import Documented
from payments.chapa.conformance.questions import Question
from payments.chapa.conformance.running import main
from payments.chapa.sandbox.server import RunningSandbox
from payments.chapa.tests.cast import LIVE_KEY, TEST_KEY, captured
from payments.chapa.transport import Answer
from payments.chapa.wire import parse_verification

PROJECT = Path(__file__).parents[3]
UNPAID = Question(
    name="verify",
    method="GET",
    path="",
    expected=documented.UNPAID,
    read=lambda http_status, body: parse_verification(http_status, body).outcome,
)


def environment(sandbox: RunningSandbox, **changes: str) -> dict[str, str]:
    return {
        "CHAPA_SECRET_KEY": TEST_KEY,
        "CHAPA_BASE_URL": sandbox.base_url,
        "CHAPA_CHECKOUT_HOSTS": sandbox.checkout_host,
    } | changes


def differences(http_status: int, body: bytes) -> dict[str, tuple[str, str]]:
    """Compare an answer with what is documented of an unpaid transaction."""
    found = find_differences(UNPAID, Answer(http_status, body))
    return {each.what: (each.documented, each.seen) for each in found}


def pending(**data: object) -> bytes:
    answer = json.loads(captured("verify_pending"))
    answer["data"] |= data
    return json.dumps(answer).encode()


def test_the_local_chapa_does_what_is_documented(sandbox: RunningSandbox) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "payments.chapa.conformance"],
        cwd=PROJECT,
        env={**os.environ, **environment(sandbox)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.count("as documented\n") == 12
    assert run.stdout.endswith("No difference from docs/chapa.md.\n")
    assert TEST_KEY not in run.stdout


def test_one_transaction_is_opened_and_its_link_is_closed(sandbox: RunningSandbox) -> None:
    main(environment(sandbox))

    (transaction,) = sandbox.store.transactions()
    assert transaction.link_expired


def test_differences_are_shown_in_a_table(
    sandbox: RunningSandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    sandbox.faults.set({"verify": "unpaid"})

    assert main(environment(sandbox)) == 1

    shown = [line.split("  ") for line in capsys.readouterr().out.splitlines()]
    rows = [[cell.strip() for cell in line if cell.strip()] for line in shown]
    assert ["CALL", "WHAT", "DOCUMENTED", "SEEN"] in rows
    assert ["verify, unpaid", "HTTP status", "200", "404"] in rows
    assert ["verify, unpaid", "data.amount", "number", "absent"] in rows
    assert ["verify, never opened", "Guzo reads it as", "not_found", "pending"] in rows
    assert ["verify, unpaid", "differs"] in rows
    assert ["cancel, open", "as documented"] in rows


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"CHAPA_SECRET_KEY": ""}, "CHAPA_SECRET_KEY is not set"),
        ({"CHAPA_SECRET_KEY": LIVE_KEY}, "live key"),
        ({"CHAPA_SECRET_KEY": "CHAPA_TEST_PRIV_abcdef"}, "v2 key"),
        ({"CHAPA_SECRET_KEY": "CHASECK_TEST-another"}, "refuses this key"),
    ],
)
def test_without_a_test_key_it_says_what_to_do_and_opens_nothing(
    sandbox: RunningSandbox,
    capsys: pytest.CaptureFixture[str],
    changes: dict[str, str],
    words: str,
) -> None:
    assert main(environment(sandbox, **changes)) == 1

    complaint = capsys.readouterr().err
    assert words in complaint
    assert "CHAPA_SECRET_KEY=CHASECK_TEST-... make test-chapa" in complaint
    assert not any(key and key in complaint for key in changes.values())
    assert sandbox.store.transactions() == []


def test_silence_is_told_from_a_difference(
    sandbox: RunningSandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    sandbox.faults.set({"cancel": "half"})

    assert main(environment(sandbox)) == 1
    assert "Chapa did not answer: " in capsys.readouterr().err


def test_an_answer_as_documented_has_no_difference() -> None:
    assert differences(200, captured("verify_pending")) == {}


@pytest.mark.parametrize(
    "body",
    [b"7", b"[]", b'{"data":' + b'{"a":' * 500 + b"1" * 5000 + b"}" * 501],
    ids=["a number", "a list", "deep and long"],
)
def test_json_of_any_shape_can_be_compared(body: bytes) -> None:
    assert differences(200, body)["Guzo reads it as"] == ("pending", "unrecognised")


@pytest.mark.parametrize(
    ("data", "what", "shown"),
    [
        ({"amount": "10.00"}, "data.amount", ("number", "text")),
        ({"charge": 0.35}, "data.charge", ("null", "number")),
        ({"reference": "AP1"}, "data.reference", ("absent", "text")),
        ({"paid": False}, "data.paid", ("absent", "boolean")),
        ({"customization": []}, "data.customization", ("object or null or absent", "list")),
        ({"status": "open"}, "Guzo reads it as", ("pending", "unrecognised")),
    ],
)
def test_a_member_of_another_kind_is_a_difference(
    data: dict[str, object], what: str, shown: tuple[str, str]
) -> None:
    assert differences(200, pending(**data)) == {what: shown}


def test_what_the_merchant_sent_is_not_compared() -> None:
    body = pending(customization={"title": "x", "logo": None}, meta={"anything": [1]})

    assert differences(200, body) == {}


def test_a_sentence_is_compared_loosely() -> None:
    answer = json.loads(captured("verify_pending"))
    same = answer | {"message": "payment details  fetched successfully.\t"}
    other = answer | {"message": "Payment details"}

    assert differences(200, json.dumps(same).encode()) == {}
    assert differences(200, json.dumps(other).encode()) == {
        "message says": ("Payment details fetched successfully", "Payment details")
    }


def test_a_page_of_html_is_no_list_of_missing_members() -> None:
    assert differences(502, captured("page.html")) == {
        "HTTP status": ("200", "502"),
        "status says": ("success", "not JSON"),
        "message says": ("Payment details fetched successfully", "not JSON"),
        "Guzo reads it as": ("pending", "transient"),
    }


def test_every_sentence_is_in_the_documentation() -> None:
    page = " ".join((PROJECT / "docs" / "chapa.md").read_text().split())
    sentences = [each for each in vars(documented).values() if isinstance(each, Documented)]

    assert len(sentences) == 11
    for each in sentences:
        assert each.message.split(": ")[-1].replace("XYZ", "…") in page


def test_the_table_has_straight_columns() -> None:
    rows = as_table(find_differences(UNPAID, Answer(404, captured("verify_not_paid_yet"))))

    heading, *lines = rows.splitlines()
    column = heading.index("DOCUMENTED")
    assert all(line[column - 1] == " " != line[column] for line in lines)
