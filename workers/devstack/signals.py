"""Turn the signals that ask for an end into one exception, once."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_ASK_TO_STOP = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopRequested(BaseException):
    """A signal asked for an end. Not an Exception, so that nobody swallows it by accident."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        # What a shell reports for a process that a signal ended.
        self.exit_code = 128 + number


@contextmanager
def stop_requests() -> Iterator[None]:
    """
    Within, the first Ctrl-C, SIGTERM or SIGHUP raises StopRequested; later ones are ignored.

    So a second Ctrl-C cannot interrupt the stopping itself.
    """

    def request_stop(number: int, _frame: FrameType | None) -> None:
        for each in _ASK_TO_STOP:
            signal.signal(each, signal.SIG_IGN)
        raise StopRequested(number)

    before = {each: signal.getsignal(each) for each in _ASK_TO_STOP}
    for each, handler in before.items():
        # nohup's wish is respected; an ignored SIGINT is only how shells start background jobs.
        if not (each == signal.SIGHUP and handler == signal.SIG_IGN):
            signal.signal(each, request_stop)
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
