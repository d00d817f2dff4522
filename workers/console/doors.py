"""Addresses outside the API: the scraper's."""

from django.urls import path

from workers.console.metrics import metrics

urlpatterns = [path("metrics", metrics)]
