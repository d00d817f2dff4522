"""The sweep as a command, with its progress."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from io import StringIO

import pytest
from django.core.management import call_command

from core.tests.threads import eventually
from payments.chapa.sandbox.server import RunningSandbox
from payments.models import Payment
from payments.services.checkout import open_checkout
from payments.tests.factories import NOW, PaymentFactory
from workers.devstack.progress import Bar


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def test_the_command_asks_about_all_that_is_due_and_says_what_came_of_it(
    chapa: RunningSandbox,
) -> None:
    for _ in range(3):
        payment = PaymentFactory.create(checkout_url="")
        open_checkout(payment, at=NOW)
    said = StringIO()

    call_command("check_payments", stdout=said)

    lines = said.getvalue().splitlines()
    assert "3 of 3" in lines[0]
    assert lines[1:] == ["         3  Waiting"]


def test_the_command_says_what_it_left_because_chapa_is_away(chapa: RunningSandbox) -> None:
    for _ in range(4):
        payment = PaymentFactory.create(checkout_url="")
        open_checkout(payment, at=NOW)
    chapa.faults.set({"verify": "500"})
    said = StringIO()

    call_command("check_payments", stdout=said)

    assert "3  NoAnswer" in said.getvalue()
    assert "1  still due" in said.getvalue()


def test_ctrl_c_ends_the_command_when_what_it_asked_is_answered_and_written(
    chapa: RunningSandbox,
) -> None:
    payments = [PaymentFactory.create(checkout_url="") for _ in range(2)]
    for payment in payments:
        open_checkout(payment, at=NOW)
    chapa.faults.set({"latency_s": 0.2})

    def press_ctrl_c() -> None:
        eventually(lambda: _verified(chapa, payments))
        os.kill(os.getpid(), signal.SIGINT)

    with ThreadPoolExecutor(1) as other:
        pressed = other.submit(press_ctrl_c)
        with pytest.raises(SystemExit) as end:
            call_command("check_payments", stdout=StringIO())
        pressed.result()

    assert end.value.code == 128 + signal.SIGINT
    assert _verified(chapa, payments) == 1
    assert Payment.objects.filter(asking_until=None, asked_at=None).count() == 1
    assert Payment.objects.filter(asking_until=None, asked_at__isnull=False).count() == 1


def _verified(chapa: RunningSandbox, payments: list[Payment]) -> int:
    return sum(chapa.store.calls(payment.tx_ref)["verify"] for payment in payments)


@pytest.mark.django_db
def test_the_command_redraws_its_bar_in_one_line() -> None:
    terminal = Terminal()

    call_command("check_payments", stdout=terminal)

    assert terminal.getvalue().startswith("\r  [####")
    assert terminal.getvalue().count("\n") == 1


def test_a_bar_is_one_line_that_is_drawn_anew_on_a_terminal() -> None:
    terminal = Terminal()
    bar = Bar(4, terminal, every_s=0)

    for done in (1, 2):
        bar.show(done)
    bar.end(4)

    drawn = terminal.getvalue().split("\r")[1:]
    assert [line.count("#") for line in drawn] == [8, 15, 30]
    assert terminal.getvalue().count("\n") == 1
