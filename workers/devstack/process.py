"""One child process: how to run it, when it is ready, and how to end all of it."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from workers.devstack import linux


@dataclass(frozen=True, kw_only=True)
class Program:
    """What to run. `is_ready` is asked with everything the process has written since its start."""

    name: str
    argv: tuple[str, ...]
    environment: Mapping[str, str]
    folder: Path
    is_ready: Callable[[bytes], bool] = lambda _: True
    stop_signal: signal.Signals = signal.SIGTERM
    # Sent by the kernel when the supervisor dies; what cannot be caught cannot hang.
    death_signal: signal.Signals = signal.SIGKILL
    # Run between fork and exec, to become another user.
    enter: Callable[[], None] = lambda: None


class Process:
    """A running program, in a session and group of its own, with its output in a file."""

    def __init__(self, program: Program, logs: Path) -> None:
        """
        Start it with an empty log.

        :raises OSError: if the program is not there or cannot be run.
        """
        self.program = program
        self.name = program.name
        self.log = logs / f"{program.name}.log"
        self.log.write_bytes(b"")
        self.launch()

    def launch(self) -> None:
        """
        Start it; again, if it has been reaped. The log goes on.

        Only the main thread may: the parent-death signal follows the thread that forked.

        :raises OSError: if the program is not there or cannot be run.
        """
        program, parent = self.program, os.getpid()

        def prepare() -> None:
            program.enter()
            linux.die_with_parent(parent, program.death_signal)

        with self.log.open("ab") as output:
            self._log_start = output.tell()
            self._popen = subprocess.Popen(  # noqa: S603 - our own Procfile and servers
                program.argv,
                cwd=program.folder,
                env=program.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=prepare,
            )
        self.pid = self._popen.pid
        self._started_at = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds since its start."""
        return time.monotonic() - self._started_at

    def output(self) -> bytes:
        """Return what it has written since its start."""
        with self.log.open("rb") as log:
            log.seek(self._log_start)
            return log.read()

    def is_ready(self) -> bool:
        return self.program.is_ready(self.output())

    def has_ended(self) -> bool:
        """Look without reaping, so that its pid and group stay its own until `reap`."""
        if self._popen.returncode is not None:
            return True
        options = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PID, self.pid, options) is not None

    def ask_to_stop(self) -> None:
        if not self.has_ended():
            os.kill(self.pid, self.program.stop_signal)

    def reap(self) -> int:
        """
        Kill whatever is left of its group and return how it ended, negative for a signal.

        Safe to repeat.
        """
        if self._popen.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
        return self._popen.wait()

    def end(self) -> str:
        """Reap it and say how it ended, in words."""
        code = self.reap()
        return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
