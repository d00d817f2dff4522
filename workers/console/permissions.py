"""Who may look, and who may act."""

from typing import Any, ClassVar

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from core.models import User


class MayLook(BasePermission):
    """Staff who may view events."""

    def has_permission(self, request: Request, view: Any) -> bool:
        user, needed = request.user, self.needed_for(request)
        return bool(user.is_authenticated and user.is_staff and user.has_perm(needed))

    def needed_for(self, request: Request) -> str:
        return "events.view_event"


class MayAct(MayLook):
    """To look, whoever may view events; to act, whoever has the permission `to_act`."""

    to_act: ClassVar[str]

    def needed_for(self, request: Request) -> str:
        looks = request.method in ("GET", "HEAD")
        return super().needed_for(request) if looks else self.to_act


class MayReplay(MayAct):
    to_act = "events.add_replay"


class MayDecideAboutMoney(MayAct):
    to_act = "payments.add_refund"


def person_of(request: Request) -> str:
    """Return how evidence names whoever acts: by id alone."""
    assert isinstance(request.user, User)
    return f"user:{request.user.id}"
