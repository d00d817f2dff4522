import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from workers.invariants.base import Invariant, Scope
from workers.invariants.checking import INVARIANTS, Finding, check_invariants

_CLEAR_LINE = "\r\033[K"


class Command(BaseCommand):
    help = (
        "Check what must always be true of payments, bookings and events: docs/invariants.md. "
        "Exits 1 if something is not, or was not found out."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--lately", action="store_true", help="only what changed in the last 72 h, as Beat does"
        )
        parser.add_argument("--json", action="store_true", help="for machines")

    def handle(self, *_: Any, lately: bool, **options: Any) -> None:
        scope = Scope.LATELY if lately else Scope.EVER
        findings = check_invariants(at=timezone.now(), scope=scope, watch=self._draw)
        if self.stderr.isatty():
            self.stderr.write(_CLEAR_LINE, ending="")
        if options["json"]:
            self._print_json(findings, scope)
        else:
            self._print(findings)
        hold = sum(finding.violations == 0 for finding in findings)
        if hold < len(findings):
            raise CommandError(
                f"{hold} of {len(findings)} invariants hold; "
                "the others are violated, or it was not found out."
            )

    def _draw(self, invariant: Invariant) -> None:
        if self.stderr.isatty():
            place = INVARIANTS.index(invariant) + 1
            line = f"{_CLEAR_LINE}  {place} of {len(INVARIANTS)}: {invariant.name}"
            self.stderr.write(line, lambda text: text, ending="")
            self.stderr.flush()

    def _print(self, findings: list[Finding]) -> None:
        for finding in findings:
            state, paint = self._state_of(finding)
            self.stdout.write(
                f"{paint(f'{state:>12}')}  {finding.invariant.name:26}  "
                f"{finding.invariant.sentence}"
            )
            for violation in finding.samples:
                self.stdout.write(f"{'':14}{violation.key}  {violation.why}")
            more = (finding.violations or 0) - len(finding.samples)
            if more:
                self.stdout.write(f"{'':14}… and {more} more")

    def _state_of(self, finding: Finding) -> tuple[str, Any]:
        if finding.violations == 0:
            state, paint = "holds", self.style.SUCCESS
        elif finding.violations is None:
            state, paint = "not checked", self.style.WARNING
        else:
            state, paint = f"{finding.violations} violated", self.style.ERROR
        return state, paint if self.stdout.isatty() else str

    def _print_json(self, findings: list[Finding], scope: Scope) -> None:
        told = [
            {
                "invariant": finding.invariant.name,
                "sentence": finding.invariant.sentence,
                "violations": finding.violations,
                "samples": [vars(violation) for violation in finding.samples],
            }
            for finding in findings
        ]
        self.stdout.write(json.dumps({"scope": scope.value, "invariants": told}, indent=2))
