"""Read the processes of a Procfile."""

import shlex
from pathlib import Path


def read_procfile(file: Path) -> dict[str, tuple[str, ...]]:
    """
    Return name → command, in the file's order. Nothing in a command is expanded.

    :raises ValueError: if a line is not `name: command`, or a name comes twice.
    """
    commands: dict[str, tuple[str, ...]] = {}
    for line in file.read_text().splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        name, colon, command = line.partition(":")
        words = tuple(shlex.split(command))
        if not colon or not words or name in commands:
            raise ValueError(f"{file}: expected a new `name: command`, not {line!r}")
        commands[name] = words
    return commands
