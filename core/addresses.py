"""Who is calling, as far as an address tells."""

import re
from ipaddress import IPv6Address, IPv6Network, ip_address

from django.conf import settings
from django.http import HttpRequest


def client_address(request: HttpRequest) -> str:
    """
    Return the caller's address, an IPv6 one as its /64: a household has that many to change to.

    Each trusted proxy appends whom it saw to X-Forwarded-For, so with n of them the n-th from the
    right is the caller; what stands further left is the caller's own claim. Empty where there is
    no address, as behind a unix socket without a trusted proxy.
    """
    seen = [request.META.get("REMOTE_ADDR", "")]
    if settings.TRUSTED_PROXY_COUNT:
        forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
        seen = [*(part.strip() for part in forwarded if part.strip()), *seen]
    return _normal(seen[-1 - min(settings.TRUSTED_PROXY_COUNT, len(seen) - 1)])


# As some proxies append it: 203.0.113.9:5678, [2001:db8::1]:443. Each connection has another port.
_WITH_PORT = re.compile(
    r"(?P<v4>[0-9.]+):[0-9]+|\[(?P<v6>[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*)\](:[0-9]+)?"
)


def _normal(text: str) -> str:
    with_port = _WITH_PORT.fullmatch(text)
    try:
        address = ip_address(with_port["v4"] or with_port["v6"] if with_port else text)
    except ValueError:
        return ""
    if not isinstance(address, IPv6Address):
        return str(address)
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(IPv6Network((int(address), 64), strict=False))
