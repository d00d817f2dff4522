"""
The table of troubles in docs/chapa.md, written from what the cases expect.

`python -m workers.tests.journeys.trouble_table` writes it anew.
"""

from collections.abc import Iterable
from itertools import compress, groupby
from pathlib import Path

from payments.chapa.sandbox.faults import CHOICES
from workers.tests.journeys.cases import Case, Expected, State, Told
from workers.tests.journeys.troubles import CASES, STORIES

PAGE = Path(__file__).parents[3] / "docs" / "chapa.md"
BEGIN = "<!-- Generated: python -m workers.tests.journeys.trouble_table -->"
END = "<!-- End of what is generated -->"
_COLUMNS = (
    "position",
    "carried out",
    "Guzo hears",
    "the client is told",
    "meanwhile",
    "once it is over",
)
_CARRIED_OUT = {(True,): "yes", (False,): "no", (False, True): "yes or no", (None,): ""}

Row = tuple[str, ...]


def render(cases: Iterable[Case]) -> str:
    """Return a table for each switch; positions that must show the same share a row."""
    by_switch = groupby(cases, key=lambda case: case.switch)
    return "\n".join(
        f"**{switch}.** {STORIES[switch]}\n\n{_table(_rows(list(own)))}"
        for switch, own in by_switch
    )


def with_table(page: str) -> str:
    """Return the page with the table as it must be."""
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n\n{render(CASES)}\n{END}{after}"


def _table(rows: list[Row]) -> str:
    """Return the rows below the names of their columns, without the columns that are empty."""
    lines = [_COLUMNS, ("---",) * len(_COLUMNS), *rows]
    told = [any(cells) for cells in zip(*rows, strict=True)]
    return "".join(f"| {' | '.join(compress(line, told))} |\n" for line in lines)


def _rows(cases: list[Case]) -> list[Row]:
    effects: dict[tuple[str, Expected], tuple[bool | None, ...]] = {}
    for case in cases:
        key = (case.position, case.expected)
        effects[key] = (*effects.get(key, ()), case.effect)
    sharing: dict[tuple[tuple[bool | None, ...], Expected], list[str]] = {}
    for (position, expected), effect in effects.items():
        sharing.setdefault((effect, expected), []).append(_named(cases[0].switch, position))
    return [
        (", ".join(positions), _CARRIED_OUT[effect], *_shown(expected))
        for (effect, expected), positions in sharing.items()
    ]


def _named(switch: str, position: str) -> str:
    return f"`{position}`" if position in CHOICES.get(switch, (position,)) else position


def _shown(expected: Expected) -> Row:
    then, ends = expected.then, expected.ends
    over = "the same" if then is not None and ends == then else _state(ends)
    return (expected.heard, _told(expected.told), _state(then), over)


def _told(told: Told | None) -> str:
    if told is None:
        return ""
    code = f" `{told.code}`" if told.code else ""
    wait = f", `Retry-After: {told.retry_after}`" if told.retry_after else ""
    return f"{told.http_status}{code}{wait}"


def _state(state: State | None) -> str:
    if state is None:
        return ""
    said = [
        f"booking {state.booking}",
        f"payment {', then another: '.join(state.payments)}",
        f"refund {', then another: '.join(state.refunds)}" if state.refunds else "",
        " and ".join(state.ledger),
        f"statement {state.statement}" if state.statement else "",
    ]
    return "; ".join(each for each in said if each)


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text()))
