import os
from collections.abc import Iterable
from io import BytesIO
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "core.settings")

from django.conf import settings
from django.core.wsgi import get_wsgi_application

_django = get_wsgi_application()


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """
    Measure a body that comes in chunks to the API: Django would take it for an empty one.

    No more is read than shows that it is too large, which is said when it is wanted. Chapa's doors
    read their own.
    """
    if "HTTP_TRANSFER_ENCODING" in environ and environ["PATH_INFO"].startswith("/api/"):
        body = environ["wsgi.input"].read(settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)
        environ |= {"wsgi.input": BytesIO(body), "CONTENT_LENGTH": str(len(body))}
    return _django(environ, start_response)
