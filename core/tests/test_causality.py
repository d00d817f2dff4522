import threading

import pytest

from core.causality import Cause, caused_by, current_cause


def test_without_a_cause_it_is_the_system_each_time_for_itself() -> None:
    assert current_cause().actor == "system"
    assert current_cause().correlation_id != current_cause().correlation_id


def test_inside_a_cause_everything_has_it_and_afterwards_the_one_before() -> None:
    outer, inner = Cause(actor="api"), Cause(actor="handler", event_id=7)

    with caused_by(outer):
        with caused_by(inner):
            assert current_cause() == inner
        assert current_cause() == outer


def test_a_failure_ends_it_as_well() -> None:
    with pytest.raises(ValueError, match="oops"), caused_by(Cause(actor="api")):
        raise ValueError("oops")

    assert current_cause().actor == "system"


def test_another_thread_does_not_have_it() -> None:
    actors: list[str] = []

    with caused_by(Cause(actor="api")):
        thread = threading.Thread(target=lambda: actors.append(current_cause().actor))
        thread.start()
        thread.join()

    assert actors == ["system"]
