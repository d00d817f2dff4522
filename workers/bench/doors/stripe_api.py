"""Stripe's API as far as dj-stripe asks it about a succeeded payment: `stripe_api.py PORT`."""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

_INTENT = json.loads(Path(__file__).with_name("payment_intent.json").read_text())


class Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # One packet an answer, sent at once: the client keeps its connection.
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        path, _, _ = self.path.partition("?")
        match path.split("/")[1:]:
            case ["healthz"]:
                self._answer(200, {})
            case ["v1", "payment_intents", name]:
                self._answer(200, _INTENT | {"id": name})
            case _:
                print(f"nobody expected {path}", flush=True)
                self._answer(404, {"error": {"type": "invalid_request_error"}})

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        sent = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Answers).serve_forever()
