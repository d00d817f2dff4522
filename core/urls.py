"""Every address. Rooms are named by string, as in INSTALLED_APPS: core imports none of them."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularJSONAPIView

from core import health, views
from core.admin import log_in_operator
from core.documentation import Documentation

handler400 = "core.problems.bad_request"
handler403 = "core.problems.forbidden"
handler404 = "core.problems.not_found"
handler500 = "core.problems.server_error"

api: list[URLPattern | URLResolver] = [
    path("users", views.Users.as_view()),
    path("tokens", views.Tokens.as_view()),
    path("tokens/current", views.CurrentToken.as_view()),
    path("", include("bookings.urls")),
    path("", include("payments.urls")),
    path("", include("workers.console.urls")),
    path("schema", SpectacularJSONAPIView.as_view(), name="schema"),
    path("docs", Documentation.as_view(url_name="schema"), name="docs"),
]

urlpatterns = [
    path("", RedirectView.as_view(url="/api/v1/docs")),
    path("api/v1/", include(api)),
    path("", include("payments.doors")),
    path("", include("bookings.doors")),
    path("", include("workers.console.doors")),
    path("healthz", health.alive),
    path("readyz", health.ready),
    path("admin/login/", log_in_operator),
    path("admin/", admin.site.urls),
]
