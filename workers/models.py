from typing import ClassVar

from django.db import models

from events.mailing import EventMail


class InvariantCheck(models.Model):
    """What the last check of an invariant found: what `/metrics` shows without checking anew."""

    invariant = models.CharField(max_length=40)
    scope = models.CharField(max_length=8)
    violations = models.PositiveIntegerField()
    checked_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["invariant", "scope"], name="workers_one_check_per_invariant"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.invariant} ({self.scope}): {self.violations}"


class OperatorMail(EventMail):
    """One letter to the operators, whoever they are when its turn comes."""

    class Kind(models.TextChoices):
        DIFFERENCES = "differences", "statement differs"

    kind = models.CharField(max_length=16, choices=Kind)

    def __str__(self) -> str:
        return f"{self.kind} ({self.state})"
