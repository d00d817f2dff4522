"""
A Chapa that does nothing but take its time, in a thread of this process.

The local Chapa answers each call in a thread of its own and would be the first to reach its limit
on the same CPUs. This one says "not paid yet", or opens a page that leads nowhere.
"""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Thread
from urllib.parse import urlsplit

_NOT_PAID = json.dumps({"message": "Payment not paid yet", "status": None, "data": None})


@dataclass
class SlowChapa:
    """What was asked so far, and how long each answer takes."""

    url: str
    latency_s: float
    verified: Counter[str] = field(default_factory=Counter)
    open_now: int = 0
    most_open: int = 0
    first_at: float = 0.0
    last_at: float = 0.0

    def forget(self) -> None:
        self.verified.clear()
        self.most_open, self.first_at = 0, 0.0

    @property
    def seconds(self) -> float:
        """From the first question to the last answer."""
        return self.last_at - self.first_at

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection, call after call."""
        try:
            while head := await _head(reader):
                path = head.split(b" ", 2)[1].decode()
                status, body = await self._answer(path)
                writer.write(
                    f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n"
                    f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
                )
                await writer.drain()
        except asyncio.CancelledError:
            # Passed on, Python 3.11's streams would print it as an error of theirs.
            return
        finally:
            writer.close()

    async def _answer(self, path: str) -> tuple[str, str]:
        self.first_at = self.first_at or time.monotonic()
        self.open_now += 1
        self.most_open = max(self.most_open, self.open_now)
        await asyncio.sleep(self.latency_s)
        self.open_now -= 1
        self.last_at = time.monotonic()
        if "/verify/" in path:
            self.verified[path.rpartition("/")[2]] += 1
            return "404 Not Found", _NOT_PAID
        page = {"checkout_url": f"{self.url}/checkout/{time.monotonic_ns()}"}
        return "200 OK", json.dumps({"message": "Hosted Link", "status": "success", "data": page})


async def _head(reader: asyncio.StreamReader) -> bytes:
    """Read one request, and return its head; nothing if the caller went away."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return b""
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            await reader.readexactly(int(line.partition(b":")[2]))
    return head


@contextmanager
def running_slow_chapa(url: str, *, latency_s: float) -> Iterator[SlowChapa]:
    """Serve at that address until the block is left."""
    chapa = SlowChapa(url, latency_s)
    address = urlsplit(url)
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(
        asyncio.start_server(chapa.talk, address.hostname, address.port, backlog=256)
    )
    thread = Thread(target=loop.run_forever, name="slow-chapa", daemon=True)
    thread.start()
    try:
        yield chapa
    finally:
        asyncio.run_coroutine_threadsafe(_hang_up(server), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _hang_up(server: asyncio.Server) -> None:
    server.close()
    talks = asyncio.all_tasks() - {asyncio.current_task()}
    for talk in talks:
        talk.cancel()
    await asyncio.gather(*talks, return_exceptions=True)
