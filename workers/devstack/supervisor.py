"""Start processes in waves, watch them, stop them in reverse. Nothing outlives it."""

import time
from collections.abc import Iterator
from pathlib import Path
from subprocess import SubprocessError
from types import TracebackType
from typing import NoReturn, Self

from workers.devstack.process import Process, Program
from workers.devstack.progress import RED, Progress

_TAIL_LINES = 15
_POLL_SECONDS = 0.05
# Seven processes at once on two cores took 5.5 s; what needs seven times that is stuck.
_START_SECONDS = 40.0
# A person who pressed Ctrl-C waits at most this long for the applications, and half of it for the
# servers beneath them; then whole process groups are killed.
_GRACE_SECONDS = 6.0
_LONGEST_PAUSE_SECONDS = 30.0
# What lived this long did not fail at its start: its next restart is a first one again.
_STABLE_SECONDS = 60.0


class StackFailed(Exception):
    """Something did not start or did not stay; the text is for a person and says where to look."""


class Supervisor:
    """
    Owns processes for the length of a `with`; whatever ends it, they are stopped.

    If this process is killed outright, the kernel kills them.
    """

    def __init__(self, logs: Path, progress: Progress) -> None:
        self._logs = logs
        self._progress = progress
        self._waves: list[list[Process]] = []

    def __enter__(self) -> Self:
        self._logs.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self, *programs: Program) -> None:
        """
        Start all programs at once and wait until each is ready.

        :raises StackFailed: naming the one that ended or was not ready in time.
        """
        wave: list[Process] = []
        self._waves.append(wave)
        for program in programs:
            wave.append(self._launch(program))
        waiting = list(wave)
        while waiting:
            self.check()
            for process in list(waiting):
                if process.is_ready():
                    waiting.remove(process)
                    self._progress.step(process.name, "ready", process.seconds)
                elif process.seconds > _START_SECONDS:
                    self._fail(process, f"was not ready after {_START_SECONDS:.0f} s")
            time.sleep(_POLL_SECONDS)

    def run(self, program: Program) -> None:
        """
        Run a program to its end while the others are watched.

        :raises StackFailed: if it fails, or one of the others ends.
        """
        process = self._launch(program)
        try:
            while not process.has_ended():
                self.check()
                time.sleep(_POLL_SECONDS)
        finally:
            code = process.reap()
        if code != 0:
            self._fail(process, f"failed ({process.end()})")
        self._progress.step(process.name, "done", process.seconds)

    def check(self) -> None:
        """
        Look whether all processes still run.

        :raises StackFailed: naming the first that does not.
        """
        for process in self.processes():
            if process.has_ended():
                self._fail(process, f"ended ({process.end()})")

    def keep_running(self) -> NoReturn:
        """Start again whatever ends, each time after a longer pause. Only a signal ends this."""
        failures: dict[str, int] = {}
        due: dict[Process, float] = {}
        while True:
            for process in self.processes():
                if process in due:
                    if time.monotonic() >= due[process]:
                        del due[process]
                        process.launch()
                elif process.has_ended():
                    again = process.seconds < _STABLE_SECONDS and process.name in failures
                    failures[process.name] = failures[process.name] + 1 if again else 0
                    pause = min(2.0 ** failures[process.name], _LONGEST_PAUSE_SECONDS)
                    due[process] = time.monotonic() + pause
                    end = self._progress.paint(process.end(), RED)
                    self._progress.say(f"  {process.name:<14}{end}; again in {pause:g} s")
            time.sleep(_POLL_SECONDS)

    def stop(self) -> None:
        """Stop all, the last started first; kill what does not end in time. Safe to repeat."""
        grace = _GRACE_SECONDS
        while self._waves:
            wave = self._waves[-1]
            for process in wave:
                process.ask_to_stop()
            deadline = time.monotonic() + grace
            while time.monotonic() < deadline and not all(p.has_ended() for p in wave):
                time.sleep(_POLL_SECONDS / 5)
            for process in wave:
                if not process.has_ended():
                    self._progress.say(f"  {process.name} did not stop in time; killed")
                process.reap()
            self._waves.pop()
            grace = _GRACE_SECONDS / 2

    def processes(self) -> Iterator[Process]:
        for wave in self._waves:
            yield from wave

    def _launch(self, program: Program) -> Process:
        try:
            return Process(program, self._logs)
        except (OSError, SubprocessError) as error:
            raise StackFailed(f"{program.name} cannot be run: {error}") from error

    def _fail(self, process: Process, what: str) -> NoReturn:
        text = process.output().decode(errors="replace")
        tail = "".join(f"    {line}\n" for line in text.splitlines()[-_TAIL_LINES:])
        raise StackFailed(f"{process.name} {what}. The end of {process.log}:\n{tail}")
