"""Doors that fail in every way there is."""

from datetime import timedelta

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import path
from rest_framework.exceptions import Throttled
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core.errors import Conflict, Unavailable

handler400 = "core.problems.bad_request"
handler403 = "core.problems.forbidden"
handler404 = "core.problems.not_found"
handler500 = "core.problems.server_error"


class SeatTaken(Conflict):
    """Someone sits
    there."""

    code = "seat_taken"


FAILURES: dict[str, Exception] = {
    "bug": RuntimeError("the password is hunter2"),
    "conflict": SeatTaken("Take another.", pointers={"/seat": "It is taken."}),
    "unavailable": Unavailable("Wait.", retry_after=timedelta(milliseconds=1200)),
    "throttled": Throttled(wait=29.2),
    "denied": PermissionDenied("because hunter2"),
    "missing": Http404("hunter2 is not here"),
}


class Failing(APIView):
    authentication_classes = ()
    permission_classes = (AllowAny,)

    def get(self, request: Request, how: str) -> Response:
        raise FAILURES[how]


def fail_plainly(request: HttpRequest, how: str) -> HttpResponse:
    raise FAILURES[how]


urlpatterns = [
    path("api/<str:how>", Failing.as_view()),
    path("plain/<str:how>", fail_plainly),
]
