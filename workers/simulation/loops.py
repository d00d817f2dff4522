"""What Beat and the workers run."""

from bookings.services.ending import expire_due_holds
from events.base import Group
from events.delivery import drain_all, drain_group
from payments.services.reconciling import check_due_payments
from payments.services.refunding import check_due_refunds
from workers.simulation.world import World


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
