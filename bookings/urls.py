from django.urls import path

from bookings import views

urlpatterns = [
    path("listings", views.Listings.as_view()),
    path("listings/<uuid:listing_id>", views.OneListing.as_view()),
    path("bookings", views.Bookings.as_view()),
    path("bookings/<uuid:booking_id>", views.OneBooking.as_view()),
    path("bookings/<uuid:booking_id>/cancel", views.BookingCancellation.as_view()),
    path("bookings/<uuid:booking_id>/payments", views.BookingPayments.as_view()),
]
