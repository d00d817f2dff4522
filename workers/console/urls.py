from django.urls import path

from workers.console import bookings, refunds, replays, statements, views

urlpatterns = [
    path("ops/events", views.Events.as_view()),
    path("ops/webhooks", views.Webhooks.as_view()),
    path("ops/payments/<uuid:payment_id>/timeline", views.Timeline.as_view()),
    path("ops/payments/<uuid:payment_id>/refunds", refunds.Refunds.as_view()),
    path("ops/payments/<uuid:payment_id>/accept", refunds.PaymentAcceptance.as_view()),
    path("ops/refunds/<uuid:refund_id>/resolve", refunds.RefundResolution.as_view()),
    path("ops/bookings/<uuid:booking_id>/resolve", bookings.BookingResolution.as_view()),
    path("ops/statement/differences", statements.Differences.as_view(), name="differences"),
    path("ops/statement/differences.csv", statements.DifferencesFile.as_view()),
    path(
        "ops/statement/differences/<uuid:difference_id>/resolve",
        statements.DifferenceResolution.as_view(),
    ),
    path("ops/replays", replays.Replays.as_view()),
    path("ops/replays/<uuid:replay_id>", replays.OneReplay.as_view()),
    path("ops/replays/<uuid:replay_id>/execute", replays.ReplayExecution.as_view()),
    path("ops/replays/<uuid:replay_id>/pause", replays.ReplayPause.as_view()),
    path("ops/replays/<uuid:replay_id>/cancel", replays.ReplayCancellation.as_view()),
]
