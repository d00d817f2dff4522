"""Chapa's envelope, `{"message": ..., "status": ..., "data": ...}`, as an HTTP answer."""

import json

from flask import Response


def succeeded(message: str, data: object) -> Response:
    return json_answer(200, {"message": message, "status": "success", "data": data})


def failed(http_status: int, message: object) -> Response:
    return json_answer(http_status, {"message": message, "status": "failed", "data": None})


def json_answer(http_status: int, body: dict[str, object]) -> Response:
    return Response(json.dumps(body, default=float), http_status, mimetype="application/json")


def html_answer(http_status: int) -> Response:
    """Return what stands in for Chapa's answer when something before it speaks."""
    page = "<h1>ERROR: the request could not be satisfied</h1>"
    return Response(f"<!DOCTYPE html><html><body>{page}</body></html>", http_status)
