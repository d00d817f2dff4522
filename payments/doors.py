"""Addresses outside the API: Chapa's."""

from collections.abc import Callable

from csp.decorators import csp_exempt
from django.http.response import HttpResponseBase
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from payments import views


def for_machines(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """
    Leave out what protects a browser's user: there is none, and it costs each call.

    Done here: a decorated `dispatch` is decorated anew for each request.
    """
    return csrf_exempt(csp_exempt()(view))


urlpatterns = [
    path("webhooks/chapa", for_machines(views.ChapaWebhook.as_view())),
    path("callbacks/chapa", for_machines(views.ChapaCallback.as_view())),
]
