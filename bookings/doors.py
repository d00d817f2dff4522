"""Addresses outside the API: the traveller's."""

from django.urls import path

from bookings.return_page import ReturnPage

urlpatterns = [path("return/<str:key>", ReturnPage.as_view())]
