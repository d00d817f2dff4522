from django.urls import path

from payments import views

urlpatterns = [
    path("payments/<uuid:payment_id>", views.Payments.as_view()),
    path("payments/<uuid:payment_id>/verify", views.Verifications.as_view()),
]
