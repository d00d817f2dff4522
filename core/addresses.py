"""Who is calling, as far as an address tells."""

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


def _normal(text: str) -> str:
    try:
        address = ip_address(text)
    except ValueError:
        return ""
    if not isinstance(address, IPv6Address):
        return str(address)
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(IPv6Network((int(address), 64), strict=False))
