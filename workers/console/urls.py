from django.urls import path

from workers.console import views

urlpatterns = [
    path("ops/events", views.Events.as_view()),
    path("ops/webhooks", views.Webhooks.as_view()),
    path("ops/payments/<uuid:payment_id>/timeline", views.Timeline.as_view()),
]
