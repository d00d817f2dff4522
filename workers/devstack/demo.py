"""Start the stack, book and pay for one stay, show what happened, stop everything."""

import os
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from email.message import EmailMessage

from workers.devstack.journey import Journey, JourneyFailed, travel
from workers.devstack.lock import Held
from workers.devstack.plan import PROJECT, Plan, plan_demo
from workers.devstack.progress import DIM, GREEN, RED, Progress
from workers.devstack.signals import StopRequested, stop_requests
from workers.devstack.stack import running_stack
from workers.devstack.supervisor import StackFailed

# What a payment's timeline must tell, in this order.
_MUST_HAPPEN = (
    "payment.initiated",
    "webhook came in",
    "payment.succeeded",
    "booking.confirmed",
    "mail sent",
)


def run_demo(progress: Progress) -> int:
    """Return the exit code: 0 only if the stay is confirmed, paid, mailed once, and explained."""
    plan = plan_demo(PROJECT, os.environ)
    started = time.monotonic()
    try:
        with stop_requests():
            _demonstrate(plan, progress)
    except StopRequested as stop:
        progress.say(f"Stopped by {stop}.")
        return stop.exit_code
    except Held as held:
        progress.say(f"Guzo already runs in this folder ({held}). Stop it, then try again.")
        return 1
    except (StackFailed, JourneyFailed) as failure:
        progress.say(f"\n{progress.paint('demo failed at:', RED)} {failure}")
        progress.say(f"What each process said is in {plan.logs}.")
        return 1
    verdict = progress.paint("The demo worked.", GREEN)
    progress.say(f"\n{verdict} {time.monotonic() - started:.1f} s, and nothing is left running.")
    return 0


def _demonstrate(plan: Plan, progress: Progress) -> None:
    if plan.mail is None:
        raise StackFailed("the demo reads mails from files, and the plan sends them")
    progress.say("Starting Guzo")
    with running_stack(plan, "make demo", progress) as supervisor:
        progress.say("\nA traveller books a stay")
        journey = travel(web_url=plan.web_url, mail=plan.mail, progress=progress)
        supervisor.check()
        _show(journey, progress)
        for complaint in _complaints(journey):
            raise JourneyFailed(f"last look: {complaint}")


def _complaints(journey: Journey) -> Iterator[str]:
    if journey.payment["status"] != "succeeded":
        yield f"the payment is {journey.payment['status']}"
    if len(journey.mails) != 1:
        yield f"{len(journey.mails)} mails instead of one"
    told = iter(entry["what"] for entry in journey.timeline)
    for what in _MUST_HAPPEN:
        if not any(what in each for each in told):
            yield f"the timeline does not tell of {what}, or not in its place"


def _show(journey: Journey, progress: Progress) -> None:
    progress.say("\nWhat happened to the payment (seconds since its first entry)\n")
    # What is still to come, like the look whether the request died, has not happened.
    happened = [entry for entry in journey.timeline if not entry["what"].startswith("still to")]
    for line in draw_timeline(happened):
        progress.say(f"  {line}")
    booking, payment = journey.booking, journey.payment
    paid = payment["amount"]
    progress.say("\nThe booking\n")
    progress.say(f"  {booking['code']}  {booking['status']}")
    progress.say(f"  {booking['check_in']} to {booking['check_out']}, {booking['guests']} guests")
    progress.say(f"  {paid['amount']} {paid['currency']} {payment['status']}, {payment['tx_ref']}")
    for mail in journey.mails:
        progress.say("\nThe mail\n")
        for line in _mail_lines(mail):
            progress.say(progress.paint(f"  | {line}", DIM))


def draw_timeline(entries: Sequence[dict[str, str]]) -> list[str]:
    """Return one line an entry, the columns as wide as they must be."""
    if not entries:
        return []
    first = datetime.fromisoformat(entries[0]["at"])
    widths = {column: max(len(entry[column]) for entry in entries) for column in ("who", "what")}
    return [
        f"{(datetime.fromisoformat(entry['at']) - first).total_seconds():8.3f}  "
        f"{entry['who']:<{widths['who']}}  {entry['what']:<{widths['what']}}  "
        f"{entry['detail']}".rstrip()
        for entry in entries
    ]


def _mail_lines(mail: EmailMessage) -> list[str]:
    body = mail.get_body(preferencelist=("plain",))
    text = body.get_content() if body else ""
    return [f"To: {mail['To']}", f"Subject: {mail['Subject']}", "", *text.strip().splitlines()]
