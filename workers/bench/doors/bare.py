"""
The least that intake can be: a Django view without middleware that inserts the body, and commits.

Run by gunicorn as `bare:application`; the table is made by whoever runs it.
"""

import os
from typing import Any

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

settings.configure(
    SECRET_KEY="bare",  # noqa: S106
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    MIDDLEWARE=[],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "HOST": os.environ["BENCH_SOCKETS"],
            "USER": "guzo",
            "NAME": "bare",
            "CONN_MAX_AGE": None,
        }
    },
)
django.setup()


@csrf_exempt
def keep(request: HttpRequest) -> HttpResponse:
    with connection.cursor() as cursor:
        cursor.execute("insert into webhook (body) values (%s)", [request.body])
    # Said here, for there is no middleware to say it; gunicorn would answer in chunks.
    return HttpResponse("ok", headers={"Content-Length": "2"})


urlpatterns = [path("webhooks/chapa", keep)]
application: Any = get_wsgi_application()
