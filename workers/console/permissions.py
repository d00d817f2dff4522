"""Who may look, and who may act."""

from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request


class MayLook(BasePermission):
    """Staff who may view events."""

    def has_permission(self, request: Request, view: Any) -> bool:
        user, needed = request.user, self.needed_for(request)
        return bool(user.is_authenticated and user.is_staff and user.has_perm(needed))

    def needed_for(self, request: Request) -> str:
        return "events.view_event"


class MayReplay(MayLook):
    """To look, whoever may view events; to act, whoever may add replays."""

    def needed_for(self, request: Request) -> str:
        looks = request.method in ("GET", "HEAD")
        return super().needed_for(request) if looks else "events.add_replay"
