"""The local Chapa as one WSGI application."""

from flask import Flask, jsonify, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException

from payments.chapa.sandbox.api import api_blueprint
from payments.chapa.sandbox.checkout import checkout_blueprint
from payments.chapa.sandbox.config import SandboxConfig
from payments.chapa.sandbox.console import console_blueprint
from payments.chapa.sandbox.control import control_blueprint
from payments.chapa.sandbox.list_api import list_blueprint
from payments.chapa.sandbox.local_chapa import Clock, LocalChapa
from payments.chapa.sandbox.refund_api import refund_blueprint


def create_app(config: SandboxConfig, clock: Clock | None = None) -> Flask:
    """Return the doors to a new Chapa, which is `app.extensions["chapa"]`."""
    chapa = LocalChapa(config, clock)
    app = Flask(__name__)
    app.extensions["chapa"] = chapa
    app.register_blueprint(api_blueprint(chapa))
    app.register_blueprint(list_blueprint(chapa))
    app.register_blueprint(refund_blueprint(chapa))
    app.register_blueprint(checkout_blueprint(chapa))
    app.register_blueprint(console_blueprint(chapa))
    app.register_blueprint(control_blueprint(chapa))
    app.register_error_handler(HTTPException, astray)
    app.add_url_rule("/healthz", view_func=healthz)
    return app


def astray(error: HTTPException) -> ResponseReturnValue:
    """What leads to no route belongs to no blueprint."""
    if request.path.startswith("/control/"):
        return jsonify(error=error.description), error.code or 404
    if request.path.startswith("/v1/"):
        return error
    page = render_template("refused.html", title=error.name, reason=error.description)
    return page, error.code or 404


def healthz() -> dict[str, str]:
    return {"status": "ok"}
