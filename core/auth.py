from typing import Any

from django.utils import timezone
from knox.auth import TokenAuthentication
from knox.models import AuthToken
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request


class BearerAuthentication(TokenAuthentication):  # type: ignore[misc]
    """`Authorization: Bearer <token>`; tokens are stored hashed, expire, and can be revoked."""

    def authenticate(self, request: Request) -> Any:
        # knox 5.1.0 decodes a non-ASCII token without a guard: a 500 for `Bearer \xff`.
        if not request.META.get("HTTP_AUTHORIZATION", "").isascii():
            raise AuthenticationFailed
        return super().authenticate(request)

    def _cleanup_token(self, auth_token: AuthToken) -> bool:
        # knox looks at every request for others of the user that have expired; `prune` does.
        return auth_token.expiry is not None and auth_token.expiry < timezone.now()

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"
