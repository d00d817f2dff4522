"""A failpoint does nothing until a test listens."""

import pytest

from core.failpoints import Failpoint, failpoint, listening


class Stop(BaseException):
    pass


def test_a_listener_hears_what_is_reached_while_it_listens() -> None:
    heard: list[Failpoint] = []

    failpoint("drain.paid")
    with listening(heard.append):
        failpoint("drain.handled")
        with listening(lambda name: None):
            failpoint("drain.committed")
        failpoint("record.written")
    failpoint("drain.paid")

    assert heard == ["drain.handled", "record.written"]


def test_a_listener_that_ends_the_work_is_not_heard_of_again() -> None:
    def stop(name: Failpoint) -> None:
        raise Stop(name)

    with pytest.raises(Stop, match=r"drain\.paid"), listening(stop):
        failpoint("drain.paid")

    failpoint("drain.paid")
