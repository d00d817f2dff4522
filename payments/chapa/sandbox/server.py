"""Serve the local Chapa: as a process, or in a thread for tests."""

import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Thread
from urllib.parse import urlsplit

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from payments.chapa.sandbox.app import create_app
from payments.chapa.sandbox.config import SandboxConfig
from payments.chapa.sandbox.local_chapa import Clock, LocalChapa
from payments.chapa.sandbox.store import Store
from payments.chapa.sandbox.switches import FaultSwitches

_BACKLOG = 128


@dataclass(frozen=True)
class RunningSandbox:
    """A local Chapa that answers on a real socket."""

    chapa: LocalChapa

    @property
    def base_url(self) -> str:
        return self.chapa.config.base_url

    @property
    def origin(self) -> str:
        return self.chapa.config.origin

    @property
    def checkout_host(self) -> str:
        return urlsplit(self.chapa.config.checkout_origin).netloc

    def reset(self) -> None:
        """Make it as new, so that the next test can have it."""
        self.chapa.reset()

    @property
    def store(self) -> Store:
        return self.chapa.store

    @property
    def faults(self) -> FaultSwitches:
        return self.chapa.faults


@contextmanager
def running_sandbox(config: SandboxConfig, clock: Clock | None = None) -> Iterator[RunningSandbox]:
    """Serve in a thread until the block ends; port 0 becomes a free one."""
    sandbox, server = _bind(config, _Quiet, clock)
    thread = Thread(target=server.serve_forever, args=(0.02,), name="local-chapa", daemon=True)
    thread.start()
    try:
        yield sandbox
    finally:
        sandbox.chapa.stop()
        server.shutdown()
        thread.join()
        sandbox.store.close()


def serve(config: SandboxConfig) -> None:
    """Serve until SIGINT or SIGTERM; what is being delivered then is given up."""
    # Blocked in every thread and waited for here: a KeyboardInterrupt that is raised in the middle
    # of a destructor would be swallowed, and the process would live on.
    stops = (signal.SIGINT, signal.SIGTERM)
    signal.pthread_sigmask(signal.SIG_BLOCK, stops)
    sandbox, server = _bind(config, WSGIRequestHandler)
    Thread(target=server.serve_forever, name="local-chapa", daemon=True).start()
    print(f"local Chapa at {sandbox.origin}/, telling {config.deliver_to}", flush=True)
    signal.sigwait(stops)
    server.shutdown()


class _Quiet(WSGIRequestHandler):
    def log_request(self, *_: object) -> None:
        pass


def _bind(
    config: SandboxConfig, handler: type[WSGIRequestHandler], clock: Clock | None = None
) -> tuple[RunningSandbox, BaseWSGIServer]:
    """The addresses that Chapa gives out carry the port, so the port comes first."""
    host, wanted_port = config.listen_on
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, wanted_port), family=family, backlog=_BACKLOG) as listener:
        port = listener.getsockname()[1]
        app = create_app(config.on_port(port), clock)
        server = make_server(
            host, port, app, threaded=True, request_handler=handler, fd=listener.fileno()
        )
    sandbox = RunningSandbox(app.extensions["chapa"])
    sandbox.chapa.resume()
    return sandbox, server
