"""The documentation names tests as its proof: each of them is there."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from payments.chapa.sandbox.faults import CHOICES, Faults
from payments.chapa.sandbox.troubles import TROUBLES
from workers.tests.journeys.trouble_table import PAGE, with_table
from workers.tests.journeys.troubles import CASES

PROJECT = Path(__file__).parents[2]
PAGES = sorted((PROJECT / "docs").rglob("*.md"))
ROOMS = ("core", "events", "payments", "bookings", "workers")


@pytest.fixture(scope="module")
def files() -> dict[str, str]:
    """Return the code of each file of tests, by where it is."""
    return {
        str(file.relative_to(PROJECT)): file.read_text()
        for room in ROOMS
        for file in (PROJECT / room).rglob("test_*.py")
    }


def named_in(code: str) -> list[str]:
    return re.findall(r"def (test_\w+)", code)


@pytest.fixture(scope="module")
def tests(files: dict[str, str]) -> set[str]:
    """Return the names of all tests, each bare and behind its file."""
    found = {(file, name) for file, code in files.items() for name in named_in(code)}
    return {named for file, name in found for named in (name, f"{file}::{name}")}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_test_that_a_page_names_is_there(page: Path, tests: set[str]) -> None:
    named = set(re.findall(r"`((?:[\w/]+\.py::)?test_\w+)`", page.read_text()))

    assert named <= tests, f"{page.name} names {sorted(named - tests)}"


def test_every_hazard_is_told_once_with_its_proof() -> None:
    page = (PROJECT / "docs" / "hazards.md").read_text()
    rows = re.findall(r"^\| (R?\d+) \| (.+) \| (.+) \| (.+) \|$", page, re.MULTILINE)

    assert [number for number, *_ in rows] == [
        *(f"R{number}" for number in range(1, 25)),
        *(str(number) for number in range(1, 68)),
    ]
    assert [number for number, *_, proof in rows if ".py::test_" not in proof] == []


@pytest.mark.parametrize("page", ["hazards", "security"])
def test_a_page_says_which_of_its_proofs_only_the_crash_tests_run(
    page: str, files: dict[str, str]
) -> None:
    text = (PROJECT / "docs" / f"{page}.md").read_text()
    named = re.findall(r"`(?:[\w/]+\.py::)?(test_\w+)`( \(crash\))?", text)
    slow = {
        name
        for code in files.values()
        if re.search(r"^pytestmark = .*mark\.crash", code, re.MULTILINE)
        for name in named_in(code)
    }

    assert [name for name, told in named if name in slow and not told] == []
    assert [name for name, told in named if told]


def test_every_promise_of_security_names_its_proof() -> None:
    promises = (PROJECT / "docs" / "security.md").read_text().split("## Promises")[1]
    rows = re.findall(
        r"^\|(?! promise| ---)[^|]+\|([^|]+)\|$", promises.split("## OWASP")[0], re.MULTILINE
    )

    assert len(rows) > 30
    assert all("`" in proof for proof in rows)


def test_the_page_tells_of_each_trouble_what_its_case_expects() -> None:
    page = PAGE.read_text()

    assert page == with_table(page), "python -m workers.tests.journeys.trouble_table"


def test_the_page_of_the_local_chapa_tells_of_every_switch_and_trouble() -> None:
    page = (PROJECT / "docs" / "local-chapa.md").read_text()
    told: dict[str, set[str]] = {}
    for row in page.splitlines():
        first, _, rest = row.removeprefix("| ").partition(" | ")
        for name in first.split(", "):
            told.setdefault(name.strip("`"), set()).update(re.findall(r"`([^`]+)`", rest))
    untold = {name: set(choices) - set(TROUBLES) - told[name] for name, choices in CHOICES.items()}

    assert set(TROUBLES) <= told.keys()
    assert set().union(*untold.values()) == set(), untold


def test_every_position_of_the_local_chapa_has_a_case() -> None:
    # `effect` stands in no row of its own: it says of the others whether a call is carried out.
    positions = {
        (switch, position)
        for switch, choices in CHOICES.items()
        for position in choices
        if switch != "effect"
    }

    assert positions - {(case.switch, case.position) for case in CASES} == set()
    switches = {each.name for each in fields(Faults)} - {"effect"}
    assert switches == {case.switch for case in CASES}
    assert len({str(case) for case in CASES}) == len(CASES)
