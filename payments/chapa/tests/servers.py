"""Real servers on real sockets: one that takes webhooks, one that answers any bytes."""

import re
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread


@dataclass(frozen=True)
class Received:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """Stands where Guzo would. Answers `statuses` one after another, then 200."""

    origin: str
    statuses: list[int] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)

    def reset(self) -> None:
        self.statuses, self.received = [], []

    def webhooks(self) -> list[Received]:
        return [each for each in self.received if each.method == "POST"]

    def callbacks(self) -> list[Received]:
        return [each for each in self.received if each.method == "GET"]


@contextmanager
def running_receiver() -> Iterator[Receiver]:
    receiver = Receiver("")

    class Door(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            headers = {name.lower(): value for name, value in self.headers.items()}
            receiver.received.append(Received(self.command, self.path, headers, body))
            posted = self.command == "POST"
            self.send_response(receiver.statuses.pop(0) if posted and receiver.statuses else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST = answer

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        # Below this, many senders at once wait a second for a place in the queue.
        request_queue_size = 128

    server = Server(("127.0.0.1", 0), Door)
    receiver.origin = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class RawServer:
    base_url: str
    request: bytes = b""
    connections: int = 0


@contextmanager
def hanging_up_after_each(answer: bytes) -> Iterator[RawServer]:
    """Answer any number of connections, and close each after its answer without a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = RawServer(f"http://127.0.0.1:{listener.getsockname()[1]}/v1")

        def serve() -> None:
            # Ends with the listener.
            with suppress(OSError):
                while True:
                    with listener.accept()[0] as connection:
                        server.connections += 1
                        server.request = _whole_request(connection)
                        connection.sendall(answer)

        thread = Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


@contextmanager
def answering(
    pieces: Iterable[bytes], *, pause_s: float = 0.0, wait_for_request: bool = False
) -> Iterator[RawServer]:
    """
    Answer the first connection with these bytes, piece by piece, whatever is asked.

    `wait_for_request`: each piece is the answer to a request of its own; the last one is kept.
    A second connection is never answered.
    """
    left = Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = RawServer(f"http://127.0.0.1:{listener.getsockname()[1]}/v1")

        def answer() -> None:
            # The caller may never come, or be gone before the last piece.
            with suppress(OSError), listener.accept()[0] as connection:
                server.request = _whole_request(connection)
                for number, piece in enumerate(pieces):
                    if wait_for_request and number:
                        server.request = _whole_request(connection)
                    connection.sendall(piece)
                    if left.wait(pause_s):
                        return

        thread = Thread(target=answer, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            left.set()
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def _whole_request(connection: socket.socket) -> bytes:
    """Body and head are sent one after the other."""
    request = connection.recv(64 * 1024)
    head, _, body = request.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: *([0-9]+)", head)
    while length and len(body) < int(length[1]) and (more := connection.recv(64 * 1024)):
        request, body = request + more, body + more
    return request


def http_answer(body: bytes, *, status: str = "200 OK", headers: str = "") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
    return head.encode() + body
