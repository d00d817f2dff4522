"""Whether Chapa's list and the ledger agree at the end of a history."""

from payments.models import Statement, StatementDifference
from payments.services.comparing import compare_many_days
from payments.statement import Kind
from workers.simulation.verdict import is_before_a_person
from workers.simulation.world import World


def find_wrong(world: World) -> list[str]:
    """
    Compare them as Beat does once a week; return where they differ and no person knows.

    What Chapa sent back without telling, say, it lists as refunded, and here it is in doubt. Money
    that was heard of late is told of though all agree on it.
    """
    if not world.payments():
        return []
    statement = compare_many_days(world.clock)
    if statement is None or statement.state != Statement.State.COMPARED:
        return ["Chapa's list was not compared"]
    return [
        f"{each.kind} of {each.reference}: {each.here or 'nothing'} here, {each.there} there"
        for each in StatementDifference.objects.exclude(kind=Kind.LATE).select_related("payment")
        if each.payment is None or not is_before_a_person(each.payment)
    ]
