"""How the local Chapa is set up, by the environment or by a test."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Self
from urllib.parse import urlsplit

from payments.chapa.signature import SIGNATURE_HEADERS
from payments.chapa.wire import mode_of_key

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
WEBHOOK_PATH = "/webhooks/chapa"


@dataclass(frozen=True, kw_only=True)
class SandboxConfig:
    """
    Times are in seconds. Port 0 in `base_url` means any free one.

    The account may have a key for each mode, and several while one is exchanged. The first webhook
    secret signs. Without `checkout_hosts` the pay page is on the base URL's own host. `webhook_url`
    replaces `public_url + /webhooks/chapa` where Guzo is not reachable at its public address.

    :raises ValueError: if the base URL does not end in /v1, a key is malformed, no secret is
        given, or Chapa has no such signature header.
    """

    secret_keys: tuple[str, ...] = field(repr=False)
    webhook_secrets: tuple[str, ...] = field(repr=False)
    base_url: str = "http://127.0.0.1:0/v1"
    checkout_hosts: tuple[str, ...] = ()
    public_url: str = "http://127.0.0.1:8000"
    webhook_url: str = ""
    # `chapa-signature`: the account has custom webhooks, signed over the body in that header only.
    signature_header: str = "x-chapa-signature"
    webhook: bool = True
    callback: bool = True
    latency_s: float = 0.0
    # How long a call under the `timeout` fault hangs: longer than any client should wait.
    hang_s: float = 30.0
    # Chapa waits 10 minutes; a demonstration has less time.
    retry_s: float = 5.0
    # How much later a delivery or a payment comes that is made late by a fault.
    delay_s: float = 10.0
    # Chapa takes days over a refund.
    refund_s: float = 10.0
    # In each currency, beside what comes in: a refund takes more than its payment brought.
    opening_balance: Decimal = Decimal(1_000_000)
    # Chapa refuses refunds to test keys; a demonstration may want to see one.
    test_refunds: bool = False
    # A file that keeps what happened over restarts; without one a restart forgets.
    state: str = ""
    # Chapa's default for a checkout: an hour.
    link_lifetime_s: float = 3600.0

    def __post_init__(self) -> None:
        if urlsplit(self.base_url).path.rstrip("/") != "/v1":
            raise ValueError("the base URL must end in /v1")
        for key in self.secret_keys:
            mode_of_key(key)
        if not self.secret_keys or not any(self.webhook_secrets):
            raise ValueError("a secret key and a webhook secret are needed")
        if self.signature_header not in SIGNATURE_HEADERS:
            raise ValueError(f"the signature header must be {' or '.join(SIGNATURE_HEADERS)}")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """
        Read the variables that docs/local-chapa.md lists.

        :raises ValueError: naming the variable that is missing or malformed.
        """
        read = _Environment(environment)
        return cls(
            base_url=read.text("CHAPA_BASE_URL"),
            secret_keys=read.texts("CHAPA_SECRET_KEY"),
            webhook_secrets=read.texts("CHAPA_WEBHOOK_SECRETS"),
            checkout_hosts=read.texts("CHAPA_CHECKOUT_HOSTS", ""),
            public_url=read.text("PUBLIC_URL").rstrip("/"),
            webhook_url=read.text("SANDBOX_WEBHOOK_URL", ""),
            signature_header=read.text("CHAPA_SIGNATURE_HEADER", cls.signature_header),
            webhook=read.switch("SANDBOX_WEBHOOK"),
            callback=read.switch("SANDBOX_CALLBACK"),
            latency_s=read.seconds("SANDBOX_LATENCY_S", cls.latency_s),
            hang_s=read.seconds("SANDBOX_HANG_S", cls.hang_s),
            retry_s=read.seconds("SANDBOX_RETRY_S", cls.retry_s),
            delay_s=read.seconds("SANDBOX_DELAY_S", cls.delay_s),
            refund_s=read.seconds("SANDBOX_REFUND_S", cls.refund_s),
            test_refunds=read.switch("CHAPA_SANDBOX_TEST_REFUNDS", "off"),
            state=read.text("CHAPA_SANDBOX_STATE", cls.state),
            link_lifetime_s=read.seconds("SANDBOX_LINK_LIFETIME_S", cls.link_lifetime_s),
        )

    def on_port(self, port: int) -> Self:
        """Return the same set-up with port 0 of the base URL replaced."""
        address = urlsplit(self.base_url)
        if address.port != 0:
            return self
        netloc = address.netloc.removesuffix(":0")
        return replace(self, base_url=f"{address.scheme}://{netloc}:{port}/v1")

    @property
    def listen_on(self) -> tuple[str, int]:
        """The address to listen on: every interface unless the base URL is a loopback one."""
        address = urlsplit(self.base_url)
        host = address.hostname or ""
        port = (443 if address.scheme == "https" else 80) if address.port is None else address.port
        return (host, port) if host in _LOOPBACK else ("0.0.0.0", port)  # noqa: S104  (a container)

    @property
    def origin(self) -> str:
        address = urlsplit(self.base_url)
        return f"{address.scheme}://{address.netloc}"

    @property
    def checkout_origin(self) -> str:
        address = urlsplit(self.base_url)
        host = self.checkout_hosts[0] if self.checkout_hosts else address.netloc
        return f"{address.scheme}://{host}"

    @property
    def deliver_to(self) -> str:
        """Where webhooks go."""
        return self.webhook_url or self.public_url + WEBHOOK_PATH

    def reachable(self, url: str) -> str:
        """Return Guzo's URL as seen from here: on the webhook's host if that was set apart."""
        if not self.webhook_url or not url.startswith(self.public_url + "/"):
            return url
        address = urlsplit(self.webhook_url)
        return f"{address.scheme}://{address.netloc}{url.removeprefix(self.public_url)}"


class _Environment:
    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables

    def text(self, name: str, default: str | None = None) -> str:
        value = self._variables.get(name, "").strip() or default
        if value is None:
            raise ValueError(f"{name} is not set")
        return value

    def texts(self, name: str, default: str | None = None) -> tuple[str, ...]:
        parts = (part.strip() for part in self.text(name, default).split(","))
        return tuple(part for part in parts if part)

    def switch(self, name: str, default: str = "on") -> bool:
        value = self.text(name, default)
        if value not in ("on", "off"):
            raise ValueError(f"{name} must be on or off")
        return value == "on"

    def seconds(self, name: str, default: float) -> float:
        try:
            value = float(self.text(name, str(default)))
        except ValueError:
            raise ValueError(f"{name} must be a number of seconds") from None
        if not 0 <= value < float("inf"):
            raise ValueError(f"{name} must be a number of seconds")
        return value
