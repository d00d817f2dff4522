from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from core.urls import urlpatterns as ours


@csrf_exempt
def keep(request: HttpRequest) -> HttpResponse:
    with connection.cursor() as cursor:
        cursor.execute("insert into webhook (body) values (%s)", [request.body])
    return JsonResponse({"status": "received"})


urlpatterns = [path("webhooks/chapa", keep), *ours]
