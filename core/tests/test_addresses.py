import pytest
from django.test import RequestFactory
from pytest_django.fixtures import Settings

from core.addresses import client_address


@pytest.mark.parametrize(
    ("proxies", "forwarded", "peer", "client"),
    [
        (0, None, "198.51.100.7", "198.51.100.7"),
        # Without a trusted proxy the header is a stranger's claim.
        (0, "203.0.113.9", "198.51.100.7", "198.51.100.7"),
        (1, "203.0.113.9", "10.0.0.1", "203.0.113.9"),
        # What stands left of what our proxy saw was sent by the client itself.
        (1, "192.0.2.1, 203.0.113.9", "10.0.0.1", "203.0.113.9"),
        (2, "192.0.2.1, 203.0.113.9, 10.0.0.2", "10.0.0.1", "203.0.113.9"),
        # Fewer entries than proxies: as far left as there is.
        (2, "203.0.113.9", "10.0.0.1", "203.0.113.9"),
        (1, None, "10.0.0.1", "10.0.0.1"),
        (1, " , ,", "10.0.0.1", "10.0.0.1"),
        (1, "unknown", "10.0.0.1", ""),
        # Some proxies append the port too, which each connection has anew.
        (1, "203.0.113.9:5678", "10.0.0.1", "203.0.113.9"),
        (1, "[2001:db8:1:2:aaaa::1]:443", "10.0.0.1", "2001:db8:1:2::/64"),
        (1, "[2001:db8:1:2:aaaa::1]", "10.0.0.1", "2001:db8:1:2::/64"),
        (1, "[::ffff:203.0.113.9]:5678", "10.0.0.1", "203.0.113.9"),
        # Its last part is no port.
        (1, "2001:db8:1:2::443", "10.0.0.1", "2001:db8:1:2::/64"),
        (1, "::1:443", "10.0.0.1", "::/64"),
        (1, "203.0.113.9:", "10.0.0.1", ""),
        (1, "[203.0.113.9]:5678", "10.0.0.1", ""),
        (1, "[]:443", "10.0.0.1", ""),
        (0, None, "", ""),
        # A household has a whole /64.
        (0, None, "2001:db8:1:2:aaaa::1", "2001:db8:1:2::/64"),
        (0, None, "2001:db8:1:2:bbbb::2", "2001:db8:1:2::/64"),
        (0, None, "::ffff:198.51.100.7", "198.51.100.7"),
    ],
)
def test_the_caller_is_whom_the_outermost_trusted_proxy_saw(
    settings: Settings, proxies: int, forwarded: str | None, peer: str, client: str
) -> None:
    settings.TRUSTED_PROXY_COUNT = proxies
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}

    assert client_address(RequestFactory(REMOTE_ADDR=peer).get("/", headers=headers)) == client
