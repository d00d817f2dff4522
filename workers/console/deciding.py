"""How a person decides something over the API: with a reason, in their name, now."""

from collections.abc import Callable
from typing import TypeVar
from uuid import UUID

from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request

from core.serializers import RequestBody
from workers.console.permissions import person_of

T = TypeVar("T")


class Reason(RequestBody):
    """Why. That it is missing is the service's to say, for every door alike."""

    reason = serializers.CharField(max_length=1000, allow_blank=True, default="")


def decide(
    request: Request, shape: type[RequestBody], service: Callable[..., T], **about: UUID
) -> T:
    """Call a service with what the body says, who says it and when; return what it returns."""
    body = shape(data=request.data)
    body.is_valid(raise_exception=True)
    return service(**about, **body.validated_data, person=person_of(request), at=timezone.now())
