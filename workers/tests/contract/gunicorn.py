"""The web process of the Procfile on a port of its own, spoken to in bytes."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPResponse
from pathlib import Path
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.db import connection

from workers.devstack.plan import PROJECT
from workers.devstack.procfile import read_procfile


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Web:
    port: int

    def send(self, raw: bytes) -> Answer:
        """Send these bytes and read one answer."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as wire:
            wire.sendall(raw)
            method = raw.split(b" ", 1)[0].decode("latin-1")
            answer = HTTPResponse(wire, method=method)
            answer.begin()
            headers = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, headers, answer.read())

    def ask(
        self, method: str, target: str, *headers: str | bytes, body: bytes | None = None
    ) -> Answer:
        lines = [f"{method} {target} HTTP/1.1", f"Host: 127.0.0.1:{self.port}", *headers]
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
            if not any(str(each).lower().startswith("content-type") for each in headers):
                lines.append("Content-Type: application/json")
        raw = [each if isinstance(each, bytes) else each.encode("latin-1") for each in lines]
        return self.send(b"\r\n".join(raw) + b"\r\n\r\n" + (body or b""))


@contextmanager
def running_web() -> Iterator[Web]:
    """Run gunicorn, as the Procfile does, on the database of this test run."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    where = connection.settings_dict
    database = (
        f"postgres://{quote(where['USER'])}:{quote(where['PASSWORD'])}"
        f"@{quote(where['HOST'], safe='')}:{where['PORT']}/{where['NAME']}"
    )
    process = subprocess.Popen(
        read_procfile(PROJECT / "Procfile")["web"],
        cwd=PROJECT,
        env=os.environ
        | {"PORT": str(port), "DATABASE_URL": database, "WEB_PROCESSES": "1"}
        | {"PUBLIC_URL": settings.PUBLIC_URL}
        | {"PATH": f"{Path(sys.prefix, 'bin')}:{os.environ['PATH']}"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        _await(port, process)
        yield Web(port)
    finally:
        # Its grace is for clients, and there are none left.
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)


def _await(port: int, process: "subprocess.Popen[bytes]") -> None:
    ends = time.monotonic() + 20
    while process.poll() is None and time.monotonic() < ends:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except ConnectionRefusedError:
            time.sleep(0.02)
        else:
            return
    raise AssertionError("gunicorn did not start")
