"""What Beat and the workers run, and two of them at the same moment."""

from collections.abc import Callable
from threading import Event, Thread

from django.db import connection

from bookings.services.ending import expire_due_holds
from core.failpoints import Failpoint, listening
from events.base import Group
from events.delivery import drain_all, drain_group
from payments.services.reconciling import check_due_payments
from payments.services.refunding import check_due_refunds
from workers.simulation.world import World

# How long the first of two waits inside its transaction for the second to come as far. It comes
# only where no lock keeps it out.
_RENDEZVOUS_S = 0.05


def deliver(world: World) -> None:
    drain_all(world.clock)


def deliver_group(world: World, group: Group) -> None:
    drain_group(group, world.clock)


def sweep(world: World) -> None:
    check_due_payments(world.clock)


def expire(world: World) -> None:
    expire_due_holds(world.clock)


def look_at_refunds(world: World) -> None:
    check_due_refunds(world.clock)


def run_all(world: World) -> None:
    """Let everything happen that is due now, at Chapa and here."""
    world.chapa.chapa.catch_up()
    for loop in (deliver, sweep, expire, look_at_refunds, deliver):
        loop(world)


def meet(first: Callable[[], None], second: Callable[[], None]) -> None:
    """
    Run two transactions at once: the second begins when the first is about to record its event.

    Whoever locks what it decides about keeps the second out until it has committed, so the
    outcome is always the same. Raises what either raised.
    """
    inside, both_inside = Event(), Event()
    raised: list[BaseException] = []

    def run(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as trouble:  # noqa: BLE001  (raised again below)
            raised.append(trouble)
        finally:
            inside.set()
            connection.close()

    threads = [Thread(target=run, args=(work,)) for work in (first, second)]

    def wait_inside(name: Failpoint) -> None:
        if name != "record.started":
            return
        if not inside.is_set():
            inside.set()
            both_inside.wait(_RENDEZVOUS_S)
        else:
            both_inside.set()

    with listening(wait_inside):
        threads[0].start()
        inside.wait()
        threads[1].start()
        for thread in threads:
            thread.join()
    for trouble in raised:
        raise trouble
