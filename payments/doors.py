"""Addresses outside the API: Chapa's."""

from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from payments import views

# Exempt here: a decorated `dispatch` is decorated anew for each request.
urlpatterns = [
    path("webhooks/chapa", csrf_exempt(views.ChapaWebhook.as_view())),
    path("callbacks/chapa", csrf_exempt(views.ChapaCallback.as_view())),
]
