"""The letter to operators about what a statement found."""

from collections import Counter
from urllib.parse import urlencode

from django.conf import settings
from django.core.mail import EmailMessage
from django.template.loader import render_to_string
from django.urls import reverse

from events.mailing import Draft, mailing
from payments.events import StatementDiffered
from payments.services.differences import differences_in
from workers.differences_file import as_csv
from workers.models import OperatorMail

# About 2.5 MB: a server that refused the file would keep the whole letter back.
MOST_ATTACHED = 10_000


def _differences(event: StatementDiffered) -> Draft | None:
    if not settings.OPERATOR_EMAILS:
        return None
    # What a person resolved meanwhile, or was gone again, waits for nobody.
    found = differences_in("open").filter(opened_in=event.statement_id)
    kinds = Counter(found.values_list("kind", flat=True))
    if not kinds:
        return Draft(None, about={})
    days = f"{event.since} to {event.until}"
    letter = EmailMessage(
        subject=f"Statement of {days}: {kinds.total():,} new or open again",
        body=render_to_string(
            "workers/mails/differences.txt",
            {
                "count": kinds.total(),
                "kinds": sorted(kinds.items()),
                "event": event,
                "most": MOST_ATTACHED,
                "page": _page(),
                "api": f"{settings.PUBLIC_URL}{reverse('differences')}",
            },
        ),
        to=settings.OPERATOR_EMAILS,
    )
    rows = found.order_by("kind", "reference")[:MOST_ATTACHED]
    letter.attach("differences.csv", "".join(as_csv(rows)), "text/csv")
    return Draft(letter, about={})


def _page() -> str:
    """Return where a person sees all that is open."""
    path = reverse("admin:payments_statementdifference_changelist")
    chosen = {"gone_at__isnull": "True", "resolved_at__isnull": "True"}
    return f"{settings.PUBLIC_URL}{path}?{urlencode(chosen)}"


#: For statement.differed.
mail_differences = mailing(
    "mail_differences", OperatorMail, OperatorMail.Kind.DIFFERENCES, _differences
)
