"""One HTTP call to Chapa: bounded in time and size, never repeated, never redirected."""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.cookiejar import DefaultCookiePolicy
from threading import Thread
from typing import TypeVar

import requests
import urllib3
from requests.adapters import HTTPAdapter

from payments.chapa.wire.patience import read_patience

MAX_ANSWER_BYTES = 1024 * 1024
# More threads than this may call at once; the surplus connections are just not kept.
_KEPT_CONNECTIONS = 32
_NO_COOKIES = DefaultCookiePolicy(allowed_domains=[])

T = TypeVar("T")


class NoAnswer(Exception):
    """
    Chapa gave nothing that can be read as its answer.

    The call may nevertheless have reached it. `problem` and `cause` name no address or person.
    """

    def __init__(self, problem: str, cause: str = "", http_status: int | None = None) -> None:
        super().__init__(problem)
        self.problem = problem
        self.cause = cause
        self.http_status = http_status


@dataclass(frozen=True)
class Answer:
    http_status: int
    body: bytes
    retry_after: timedelta = timedelta(0)


class Transport:
    """Safe for many threads: nothing in the session changes once it is made."""

    def __init__(
        self, *, base_url: str, secret_key: str, connect_timeout_s: float, read_timeout_s: float
    ) -> None:
        self._base_url = base_url
        self._timeouts_s = (connect_timeout_s, read_timeout_s)
        self._session = requests.Session()
        # No proxy, no .netrc: the key goes to the configured host and nowhere else.
        self._session.trust_env = False
        self._session.cookies.set_policy(_NO_COOKIES)
        self._session.headers.update(
            {
                "Authorization": f"Bearer {secret_key}",
                "Accept": "application/json",
                "Accept-Encoding": "identity",
                "User-Agent": "guzo",
            }
        )
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, HTTPAdapter(pool_maxsize=_KEPT_CONNECTIONS))

    def ask(
        self,
        method: str,
        path: str,
        payload: Mapping[str, object] | None = None,
        *,
        form: Mapping[str, str] | None = None,
    ) -> Answer:
        """
        Return Chapa's answer, whatever it says, within connect and read timeout together.

        `payload` goes as JSON, `form` urlencoded; only one of them may be given.

        :raises NoAnswer: on any trouble with the network, or an answer too large or too slow.
        """
        seconds = sum(self._timeouts_s)
        deadline = time.monotonic() + seconds
        try:
            # The timeouts of a socket count from byte to byte and do not cover the resolver, so
            # a name server or a dripping answer could hold the caller long past its lease.
            return _within(seconds, lambda: self._send(method, path, payload, form, deadline))
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as trouble:
            raise NoAnswer(_problem(trouble), cause=type(_root(trouble)).__name__) from trouble

    def close(self) -> None:
        self._session.close()

    def _send(
        self,
        method: str,
        path: str,
        payload: Mapping[str, object] | None,
        form: Mapping[str, str] | None,
        deadline: float,
    ) -> Answer:
        with self._session.request(
            method,
            self._base_url + path,
            json=payload,
            data=form,
            timeout=self._timeouts_s,
            allow_redirects=False,
            stream=True,
        ) as response:
            body = bytearray()
            while chunk := response.raw.read1(64 * 1024, decode_content=True):
                body += chunk
                if len(body) > MAX_ANSWER_BYTES:
                    raise NoAnswer("answer too large", http_status=response.status_code)
                if time.monotonic() > deadline:
                    raise NoAnswer("answer too slow", http_status=response.status_code)
            status = response.status_code
            patience = read_patience(status, response.headers, datetime.now(UTC))
            return Answer(status, bytes(body), patience)


def _within(seconds: float, call: Callable[[], T]) -> T:
    """Run a call in a thread of its own; one that comes too late is left to end unheard."""
    answer: Future[T] = Future()

    def run() -> None:
        try:
            answer.set_result(call())
        except BaseException as trouble:  # noqa: BLE001  (the caller raises it again)
            answer.set_exception(trouble)

    Thread(target=run, name="chapa-call", daemon=True).start()
    return answer.result(timeout=seconds)


def _problem(trouble: Exception) -> str:
    match trouble:
        case requests.exceptions.SSLError():
            return "TLS failure"
        case requests.exceptions.ConnectTimeout():
            return "connect timeout"
        case requests.exceptions.ReadTimeout() | urllib3.exceptions.ReadTimeoutError():
            return "read timeout"
        case TimeoutError():
            return "answer too slow"
        case requests.exceptions.ConnectionError() | OSError():
            return "connection failed"
        case _:
            return "broken answer"


def _root(trouble: BaseException) -> BaseException:
    while deeper := trouble.__cause__ or trouble.__context__:
        trouble = deeper
    return trouble
