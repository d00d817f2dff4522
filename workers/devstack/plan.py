"""What this machine's stack will be: which servers, which ports, which settings."""

import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from decouple import RepositoryEnv

PROJECT = Path(__file__).resolve().parent.parent.parent
LOCAL = ".local"

_CONSOLE_MAIL = "django.core.mail.backends.console.EmailBackend"
_FILE_MAIL = "django.core.mail.backends.filebased.EmailBackend"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_SERVERS = ("DATABASE_URL", "BROKER_URL")
#: The local Chapa's own variable; see docs/local-chapa.md.
STATE = "CHAPA_SANDBOX_STATE"


@dataclass(frozen=True)
class Plan:
    """Decided before anything starts; `environment` is complete, for every process alike."""

    project: Path
    environment: Mapping[str, str]
    web_url: str
    # None where payments go to a Chapa that is not ours.
    chapa_url: str | None

    @property
    def local(self) -> Path:
        return self.project / LOCAL

    @property
    def logs(self) -> Path:
        return self.local / "log"

    @property
    def mail(self) -> Path | None:
        """Where mails are kept as files; None where they are really sent."""
        kept = self.environment["EMAIL_BACKEND"] == _FILE_MAIL
        return self.project / self.environment["EMAIL_FILE_PATH"] if kept else None

    @property
    def metrics(self) -> Path:
        """Where the processes count how long handlers took."""
        return self.project / self.environment["PROMETHEUS_MULTIPROC_DIR"]

    @property
    def settings_file(self) -> Path:
        return _settings_file(self.project)

    @property
    def embeds_postgres(self) -> bool:
        return not self.environment["DATABASE_URL"]

    @property
    def embeds_valkey(self) -> bool:
        return not self.environment["BROKER_URL"]


def plan_demo(project: Path, environ: Mapping[str, str]) -> Plan:
    """
    Plan a run that is the same on every machine: the sample's settings and free ports.

    Of the caller's own settings only DATABASE_URL and BROKER_URL are heard.
    """
    sample = project / ".env.sample"
    return _plan(project, sample, keep_sample_settings(sample, environ))


def plan_up(project: Path, environ: Mapping[str, str]) -> Plan:
    """
    Plan with the settings of .env, or of the sample without it, on their ports if free.

    If not, on those of the run before, to which links lead that were opened then.
    """
    own = project / ".env"
    file = own if own.exists() else project / ".env.sample"
    before = _settings_file(project)
    wished = [read_settings(file, environ)]
    last = read_settings(before, {}) if before.exists() else {}
    # A file that was cut short says nothing.
    if {"PORT", "CHAPA_BASE_URL"} <= last.keys():
        wished.append(last)
    return _plan(project, file, environ, wished)


def write_settings(plan: Plan) -> None:
    """Keep the settings that the plan came to, for commands by hand beside the stack."""
    names = read_settings(Path(plan.environment["ENV_FILE"]), {})
    plan.settings_file.touch(mode=0o600)
    # In quotes: those that a value may begin and end with itself would be taken off.
    plan.settings_file.write_text("".join(f'{name}="{plan.environment[name]}"\n' for name in names))


def keep_sample_settings(sample: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without the settings the sample names, except those of servers."""
    dropped = read_settings(sample, {}).keys() - set(_SERVERS)
    return {name: value for name, value in environ.items() if name not in dropped}


def read_settings(file: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the file's settings; where the environment has one too, the environment's."""
    return {name: environ.get(name, value) for name, value in RepositoryEnv(str(file)).data.items()}


def without_libpq(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without PGHOSTADDR and its kin, which would lead clients elsewhere."""
    return {name: value for name, value in environ.items() if not name.startswith("PG")}


def _settings_file(project: Path) -> Path:
    return project / LOCAL / "env"


def _plan(
    project: Path,
    file: Path,
    environ: Mapping[str, str],
    wished: Sequence[Mapping[str, str]] = (),
) -> Plan:
    settings = read_settings(file, environ)
    port = _open_port([int(each["PORT"]) for each in wished])
    overlay = {"PORT": str(port), "ENV_FILE": str(file)}
    if _is_loopback(settings["PUBLIC_URL"]):
        overlay["PUBLIC_URL"] = f"http://127.0.0.1:{port}"
    chapa_url = None
    if _is_loopback(settings["CHAPA_BASE_URL"]):
        ports = [urlsplit(each["CHAPA_BASE_URL"]).port or 0 for each in wished]
        host = f"127.0.0.1:{_open_port(ports, but=port)}"
        chapa_url = f"http://{host}"
        overlay |= {"CHAPA_BASE_URL": f"{chapa_url}/v1", "CHAPA_CHECKOUT_HOSTS": host}
        if STATE not in environ:
            # The database remembers payments: what they are asked of must know them too.
            overlay[STATE] = str(project / LOCAL / "chapa.sqlite3")
    if settings["EMAIL_BACKEND"] == _CONSOLE_MAIL:
        overlay |= {"EMAIL_BACKEND": _FILE_MAIL, "EMAIL_FILE_PATH": str(project / LOCAL / "mail")}
    if not settings["PROMETHEUS_MULTIPROC_DIR"]:
        overlay["PROMETHEUS_MULTIPROC_DIR"] = str(project / LOCAL / "metrics")
    if settings["LOG_LEVEL"] != "DEBUG":
        # That relay, workers and beat are ready is read in their logs.
        overlay["LOG_LEVEL"] = "INFO"
    overlay["PATH"] = f"{Path(sys.prefix, 'bin')}:{environ.get('PATH', '/usr/bin:/bin')}"
    for name in ("NO_PROXY", "no_proxy"):
        overlay[name] = ",".join([*_LOOPBACK, *filter(None, [environ.get(name)])])
    base = environ if settings["DATABASE_URL"] else without_libpq(environ)
    return Plan(project, {**base, **settings, **overlay}, f"http://127.0.0.1:{port}", chapa_url)


def _is_loopback(url: str) -> bool:
    return urlsplit(url).hostname in _LOOPBACK


def _open_port(wished: Sequence[int], but: int = 0) -> int:
    """Return the first wished port that is free, else any; never the one named by `but`."""
    for wanted in (*wished, 0, 0):
        with socket.socket() as probe:
            # As servers do: the leftovers of closed connections do not keep a port.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", wanted))
            except OSError:
                continue
            if (port := int(probe.getsockname()[1])) != but:
                return port
    raise OSError("no free port on 127.0.0.1")
