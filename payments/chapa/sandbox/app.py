"""The local Chapa as one WSGI application."""

from flask import Flask

from payments.chapa.sandbox.api import api_blueprint
from payments.chapa.sandbox.checkout import checkout_blueprint
from payments.chapa.sandbox.config import SandboxConfig
from payments.chapa.sandbox.control import control_blueprint
from payments.chapa.sandbox.local_chapa import LocalChapa


def create_app(config: SandboxConfig) -> Flask:
    """Return the doors to a new, empty Chapa, which is `app.extensions["chapa"]`."""
    chapa = LocalChapa(config)
    app = Flask(__name__)
    app.extensions["chapa"] = chapa
    app.register_blueprint(api_blueprint(chapa))
    app.register_blueprint(checkout_blueprint(chapa))
    app.register_blueprint(control_blueprint(chapa))
    app.add_url_rule("/healthz", view_func=healthz)
    return app


def healthz() -> dict[str, str]:
    return {"status": "ok"}
