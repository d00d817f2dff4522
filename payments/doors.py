"""Addresses outside the API: Chapa's."""

from django.urls import path

from payments import views

urlpatterns = [
    path("webhooks/chapa", views.ChapaWebhook.as_view()),
    path("callbacks/chapa", views.ChapaCallback.as_view()),
]
