"""The page on which the API is read, and to which the `type` of each problem leads."""

from collections.abc import Iterator
from typing import Any

from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularSwaggerSplitView
from rest_framework.request import Request
from rest_framework.response import Response

from core.errors import Refusal
from core.problems import CODES, TITLES


class Documentation(SpectacularSwaggerSplitView):
    """Swagger's page, and above it what the code means that its address names."""

    template_name = "core/docs.html"

    @extend_schema(exclude=True)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        page: Response = super().get(request, *args, **kwargs)  # type: ignore[no-untyped-call]
        page.data["refusals"] = explained()
        return page


def explained() -> list[tuple[str, int, str]]:
    """Return each code that a problem may bear, with its status and what it means."""
    framework = {code: (status, TITLES[status]) for status, code in CODES.items()}
    ours = {kind.code: (kind.status, kind.title) for kind in _kinds(Refusal)}
    return [(code, *meaning) for code, meaning in sorted((ours | framework).items())]


def _kinds(kind: type[Refusal]) -> Iterator[type[Refusal]]:
    for each in kind.__subclasses__():
        yield each
        yield from _kinds(each)
