"""Read settings from the environment and one env file; refuse by name what is missing or wrong."""

import os
import re
from collections.abc import Callable
from difflib import get_close_matches
from email.utils import parseaddr
from pathlib import Path
from tempfile import TemporaryFile
from typing import TypeVar
from urllib.parse import SplitResult, urlsplit

from decouple import Config, RepositoryEmpty, RepositoryEnv, UndefinedValueError
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.core.validators import EmailValidator

from core.rates import Rate

T = TypeVar("T")


class Environment:
    """The real environment first, then the one env file: no parent folder is searched."""

    def __init__(self, file: Path) -> None:
        repository = RepositoryEnv(str(file)) if file.is_file() else RepositoryEmpty()
        self._config = Config(repository)
        self._unread = set(getattr(repository, "data", ()))
        self._known: set[str] = set()

    def read(self, name: str, parse: Callable[[str], T]) -> T:
        """
        Return the parsed value of one setting.

        :raises ImproperlyConfigured: naming the setting, if it is absent or does not parse.
        """
        self._unread.discard(name)
        self._known.add(name)
        try:
            text = str(self._config(name)).strip()
        except UndefinedValueError as missing:
            raise ImproperlyConfigured(
                f"{name} is not set. Copy .env.sample to .env, or set it in the environment."
            ) from missing
        try:
            return parse(text)
        except ValueError as wrong:
            # Without its cause, whose traceback may tell what the sentence does not.
            raise ImproperlyConfigured(f"{name} is wrong: {wrong}") from None

    def refuse_unread(self) -> None:
        """
        Call after the last setting was read.

        :raises ImproperlyConfigured: naming what stands in the file and nobody asked for: a
            misspelt setting would otherwise be one that is silently not in force.
        """
        for name in sorted(self._unread):
            near = get_close_matches(name, self._known, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ImproperlyConfigured(f"{name} is not a setting of Guzo{hint}")

    def text(self, name: str) -> str:
        return self.read(name, _filled)

    def optional(self, name: str) -> str:
        """May be empty, but must be named: a forgotten setting is not an empty one."""
        return self.read(name, str)

    def flag(self, name: str) -> bool:
        return self.read(name, _flag)

    def number(self, name: str, *, low: int, high: int) -> int:
        return self.read(name, lambda text: _between(int(text), low, high))

    def rate(self, name: str) -> Rate:
        """So many in so long: `60/10m`."""
        return self.read(name, Rate.parse)

    def one_of(self, name: str, *choices: str) -> str:
        return self.read(name, lambda text: _one_of(text, choices))

    def names(self, name: str) -> list[str]:
        return self.read(name, _names)

    def url(self, name: str) -> str:
        return self.read(name, _url)

    def server(self, name: str, *schemes: str) -> str:
        """The address of a server, credentials and all; it may be empty."""
        return self.read(name, lambda text: _server(text, schemes))

    def folder(self, name: str, base: Path) -> str:
        """A folder in which files can be made, from `base` on if relative; it may be empty."""
        return self.read(name, lambda text: _folder(text, base))

    def mail_address(self, name: str) -> str:
        """One address, bare or with a name: `Guzo <bookings@guzo.et>`."""
        return self.read(name, _mail_address)

    def mail_addresses(self, name: str) -> list[str]:
        """Several, comma separated; it may be empty."""
        return self.read(name, lambda text: [_mail_address(each) for each in _parts(text)])

    def chapa_key(self, name: str, *, mode: str) -> str:
        """The secret key of Chapa's v1 platform; its prefix alone selects test or live."""
        return self.read(name, lambda text: _chapa_key(text, mode))


def environment_of(project: Path) -> Environment:
    """:raises ImproperlyConfigured: if ENV_FILE names what is no file."""
    named = os.environ.get("ENV_FILE")
    if named and not Path(named).is_file():
        raise ImproperlyConfigured(f"ENV_FILE names {named}, which is no file.")
    return Environment(Path(named or project / ".env"))


def _filled(text: str) -> str:
    if not text:
        raise ValueError("it is empty")
    return text


def _flag(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(f"expected true or false, not {text!r}")
    return text.lower() == "true"


def _between(value: int, low: int, high: int) -> int:
    if not low <= value <= high:
        raise ValueError(f"expected {low} to {high}, not {value}")
    return value


def _one_of(text: str, choices: tuple[str, ...]) -> str:
    if text not in choices:
        raise ValueError(f"expected one of {', '.join(choices)}, not {text!r}")
    return text


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _names(text: str) -> list[str]:
    found = _parts(text)
    if not found:
        raise ValueError("it is empty; expected a comma-separated list")
    return found


def _address(text: str) -> SplitResult:
    # What urlsplit says of it quotes it: a password that was not escaped stands in the port.
    try:
        parts = urlsplit(text)
        wrong = parts.port == 0
    except ValueError:
        wrong = True
    if wrong:
        raise ValueError("expected an address, with a port of 1 to 65535 if any; escape passwords")
    return parts


def _url(text: str) -> str:
    parts = _address(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("expected an http or https address without a query")
    if parts.username or parts.password:
        raise ValueError("an address must not carry credentials")
    return text.rstrip("/")


def _server(text: str, schemes: tuple[str, ...]) -> str:
    # The text itself is not repeated: it may hold a password.
    if text and _address(text).scheme not in schemes:
        raise ValueError(f"expected an address that begins with {':// or '.join(schemes)}://")
    return text


def _folder(text: str, base: Path) -> str:
    if not text:
        return ""
    try:
        # Not os.access, which a superuser passes where nobody can write.
        with TemporaryFile(dir=base / text):
            return str(base / text)
    except OSError as refused:
        raise ValueError(f"no file can be made in {base / text}: {refused.strerror}") from None


def _mail_address(text: str) -> str:
    try:
        EmailValidator()(parseaddr(text)[1])
    except ValidationError:
        raise ValueError("expected one e-mail address, bare or as Name <address>") from None
    return text


def _chapa_key(text: str, mode: str) -> str:
    if text.startswith("CHAPA_"):
        raise ValueError("this is a key of Chapa's v2 platform; Guzo speaks v1 (CHASECK...)")
    prefix = "CHASECK_TEST-" if mode == "test" else "CHASECK-"
    if not re.fullmatch(rf"{prefix}[A-Za-z0-9]+", text):
        raise ValueError(
            f"expected {prefix} and then letters and digits because CHAPA_MODE is {mode}"
        )
    return text
