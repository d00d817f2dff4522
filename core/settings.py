"""Every setting, read once. `.env.sample` lists them; a test keeps the two in step."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import dj_database_url
import django_stubs_ext
from csp.constants import NONE, SELF, UNSAFE_INLINE
from django.core.exceptions import ImproperlyConfigured

from core import embedded
from core.env import environment_of
from core.logging import logging_config

# Lets Django's generic classes be written with their types: QuerySet[Booking], ModelAdmin[Any].
django_stubs_ext.monkeypatch()

BASE_DIR = Path(__file__).resolve().parent.parent
env = environment_of(BASE_DIR)

ENVIRONMENT = env.one_of("ENVIRONMENT", "local", "staging", "production")
DEBUG = env.flag("DEBUG")
SECRET_KEY = env.text("SECRET_KEY")
PUBLIC_URL = env.url("PUBLIC_URL")
ALLOWED_HOSTS = env.names("ALLOWED_HOSTS")
TRUSTED_PROXY_COUNT = env.number("TRUSTED_PROXY_COUNT", low=0, high=5)
HTTPS = env.flag("HTTPS")

DATABASE_URL = env.server("DATABASE_URL", "postgres", "postgresql")
_BROKER_URL = env.server("BROKER_URL", "redis", "rediss", "redis+socket", "amqp", "amqps")
BROKER_URL = _BROKER_URL or embedded.broker_url(BASE_DIR)

CHAPA_MODE = env.one_of("CHAPA_MODE", "test", "live")
CHAPA_BASE_URL = env.url("CHAPA_BASE_URL")
CHAPA_CHECKOUT_HOSTS = env.names("CHAPA_CHECKOUT_HOSTS")
CHAPA_SECRET_KEY = env.chapa_key("CHAPA_SECRET_KEY", mode=CHAPA_MODE)
CHAPA_WEBHOOK_SECRETS = env.names("CHAPA_WEBHOOK_SECRETS")
CHAPA_SIGNATURE_HEADER = env.one_of(
    "CHAPA_SIGNATURE_HEADER", "x-chapa-signature", "chapa-signature"
)
# Connect and read. Together shorter than the lease to ask, and than gunicorn's graceful timeout.
CHAPA_TIMEOUTS_S = (3.0, 10.0)

# The sweep: how often Chapa is asked by all of them together, and by how many threads of each.
SWEEP_CALLS = env.rate("SWEEP_CALLS")
SWEEP_CONCURRENCY = env.number("SWEEP_CONCURRENCY", low=1, high=64)

HOLD_FOR = timedelta(minutes=env.number("HOLD_MINUTES", low=1, high=24 * 60))
HOLD_OUTAGE_CAP = timedelta(minutes=env.number("HOLD_OUTAGE_CAP_MINUTES", low=0, high=24 * 60))

# What one address, account or user may do how often: core/throttling.py.
LOGINS_PER_ADDRESS = env.rate("LOGINS_PER_ADDRESS")
LOGINS_PER_ACCOUNT = env.rate("LOGINS_PER_ACCOUNT")
LOGINS_PER_ACCOUNT_ANYWHERE = env.rate("LOGINS_PER_ACCOUNT_ANYWHERE")
ADMIN_LOGINS_PER_ADDRESS = env.rate("ADMIN_LOGINS_PER_ADDRESS")
SIGN_UPS_PER_ADDRESS = env.rate("SIGN_UPS_PER_ADDRESS")
REJECTED_WEBHOOKS_PER_ADDRESS = env.rate("REJECTED_WEBHOOKS_PER_ADDRESS")
REJECTED_WEBHOOKS_KEPT = env.rate("REJECTED_WEBHOOKS_KEPT")
REPEATED_WEBHOOKS = env.rate("REPEATED_WEBHOOKS")
HOLDS_PER_USER = env.rate("HOLDS_PER_USER")
OPEN_HOLDS_PER_USER = env.number("OPEN_HOLDS_PER_USER", low=1, high=1000)
VERIFICATIONS_PER_USER = env.rate("VERIFICATIONS_PER_USER")

LOG_LEVEL = env.one_of("LOG_LEVEL", "DEBUG", "INFO", "WARNING", "ERROR")
LOGGING_CONFIG = None
LOGGING = logging_config(LOG_LEVEL)
# The name by which the library that writes there knows it.
PROMETHEUS_MULTIPROC_DIR = env.folder("PROMETHEUS_MULTIPROC_DIR", BASE_DIR)

# The one string by which `events` finds who is owed which event.
EVENT_ROUTES = "workers.routes.ROUTES"

INSTALLED_APPS = [
    "core",
    "events",
    "payments",
    "bookings",
    "workers",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "rest_framework",
    "knox",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_celery_beat",
]

MIDDLEWARE = [
    "core.middleware.RequestLog",
    "core.health.Probes",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "core.middleware.NotKept",
    "core.middleware.PlainRefusals",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
]

ROOT_URLCONF = "core.urls"
WSGI_APPLICATION = "core.wsgi.application"
APPEND_SLASH = False
# The default makes a signer for each request, to look into a cookie that only the admin sets.
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES: dict[str, dict[str, Any]] = {
    "default": {
        **dj_database_url.parse(DATABASE_URL or embedded.database_url(BASE_DIR)),
        "ENGINE": "core.postgres",
        # A request, a thread and a worker each keep one connection; docs/running.md has the budget.
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
        # A gateway call inside a transaction would be rolled back with it: law 4.
        "ATOMIC_REQUESTS": False,
    }
}
DATABASES["default"].setdefault("OPTIONS", {}).update(
    connect_timeout=5,
    keepalives_idle=30,
    # A statement that waits longer for a lock than this is run again, not waited for.
    options="-c lock_timeout=10s -c idle_in_transaction_session_timeout=60s"
    # A backend whose client died in the middle of a long query: its locks go within this time.
    " -c client_connection_check_interval=5s",
)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_USER_MODEL = "core.User"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
REST_KNOX = {
    "AUTH_HEADER_PREFIX": "Bearer",
    "TOKEN_TTL": timedelta(hours=env.number("TOKEN_HOURS", low=1, high=24 * 365)),
}

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["core.auth.BearerAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["core.parsing.JSONBody"],
    "DEFAULT_PAGINATION_CLASS": "core.pagination.NewestFirst",
    "DEFAULT_SCHEMA_CLASS": "core.schema.NestedNamesSchema",
    "EXCEPTION_HANDLER": "core.problems.answer",
    # `?format=` is a query parameter like any other: unknown.
    "URL_FORMAT_OVERRIDE": None,
    "UNICODE_JSON": True,
    "DATETIME_FORMAT": "%Y-%m-%dT%H:%M:%S.%fZ",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Guzo",
    "VERSION": "1",
    "DESCRIPTION": "Hold a stay, pay for it through Chapa, follow the payment.",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    # It would take the code that the type of a problem leads to for an address of its own.
    "SWAGGER_UI_SETTINGS": {"deepLinking": False},
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_ADD_EXPLICIT_BLANK_NULL_CHOICE": False,
    "ENUM_NAME_OVERRIDES": {
        "BookingStatus": "bookings.models.Booking.Status",
        "PaymentStatus": "payments.models.Payment.Status",
        "PaymentMode": "payments.models.Payment.Mode",
        "ReplayMode": "events.models.Replay.Mode",
        "ReplayState": "events.models.Replay.State",
    },
    "WEBHOOKS": ["payments.schema.charge_webhook"],
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "core.schema.describe_problems",
        "payments.schema.describe_signature",
    ],
}

CELERY_BROKER_URL = BROKER_URL
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_CONNECTION_TIMEOUT = 2
CELERY_TASK_IGNORE_RESULT = True
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
# Celery otherwise closes the connection around every task: 3.6 times slower. Its companion is
# `close_if_unusable_or_obsolete` in workers/celery.py, without which a dead connection stays dead.
CELERY_DB_REUSE_MAX = 100_000

_MAIL = "django.core.mail.backends"
EMAIL_BACKEND = env.one_of(
    "EMAIL_BACKEND", *(f"{_MAIL}.{kind}.EmailBackend" for kind in ("console", "filebased", "smtp"))
)
EMAIL_HOST = env.optional("EMAIL_HOST")
EMAIL_PORT = env.number("EMAIL_PORT", low=1, high=65535)
EMAIL_HOST_USER = env.optional("EMAIL_HOST_USER")
EMAIL_HOST_PASSWORD = env.optional("EMAIL_HOST_PASSWORD")
EMAIL_USE_TLS = env.flag("EMAIL_USE_TLS")
EMAIL_FILE_PATH = str(BASE_DIR / env.optional("EMAIL_FILE_PATH"))
EMAIL_TIMEOUT = 20
DEFAULT_FROM_EMAIL = env.mail_address("EMAIL_FROM")
OPERATOR_EMAILS = env.mail_addresses("OPERATOR_EMAILS")

USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
STATIC_URL = "/static/"
# Served from the packages themselves: no collectstatic step can be forgotten.
WHITENOISE_USE_FINDERS = True

SECURE_CONTENT_TYPE_NOSNIFF = True
# Not `no-referrer`: forms would then come with `Origin: null` and be refused.
SECURE_REFERRER_POLICY = "same-origin"
SECURE_SSL_REDIRECT = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^metrics$"]
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SECURE_HSTS_PRELOAD = HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXY_COUNT else None
SESSION_COOKIE_SECURE = HTTPS
CSRF_COOKIE_SECURE = HTTPS
CSRF_COOKIE_HTTPONLY = True
CSRF_FAILURE_VIEW = "core.problems.csrf_failed"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        # Swagger's page sets styles from its script, the return page carries its own.
        "style-src": [SELF, UNSAFE_INLINE],
        "img-src": [SELF, "data:"],
        "connect-src": [SELF],
        # "Pay again" posts to us and is sent on to Chapa, and a browser minds the whole way.
        "form-action": [SELF, *CHAPA_CHECKOUT_HOSTS],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 64 * 1024

WEB_PROCESSES = env.number("WEB_PROCESSES", low=1, high=64)
WEB_THREADS = env.number("WEB_THREADS", low=2, high=256)
PORT = env.number("PORT", low=1, high=65535)
BIND = env.text("BIND")
env.refuse_unread()

# What .env.sample holds in place of a secret, and what is too short for one.
_UNSAFE_SECRET = re.compile(r"local-.*|.*<.*|.{0,15}", re.DOTALL)
_UNSAFE_OUTSIDE = {
    "DEBUG": DEBUG,
    "SECRET_KEY": _UNSAFE_SECRET.fullmatch(SECRET_KEY) is not None or len(SECRET_KEY) < 50,
    "ALLOWED_HOSTS": "*" in ALLOWED_HOSTS,
    # Something ends TLS in front of gunicorn, which does not: that is one.
    "TRUSTED_PROXY_COUNT": TRUSTED_PROXY_COUNT == 0,
    "DATABASE_URL": not DATABASE_URL or "<" in DATABASE_URL,
    "BROKER_URL": not _BROKER_URL or "<" in _BROKER_URL,
    "EMAIL_BACKEND": not EMAIL_BACKEND.endswith(".smtp.EmailBackend"),
    "PUBLIC_URL": not PUBLIC_URL.startswith("https://"),
    "HTTPS": not HTTPS,
    "CHAPA_BASE_URL": not CHAPA_BASE_URL.startswith("https://"),
    "CHAPA_WEBHOOK_SECRETS": CHAPA_SECRET_KEY in CHAPA_WEBHOOK_SECRETS
    or any(_UNSAFE_SECRET.fullmatch(secret) for secret in CHAPA_WEBHOOK_SECRETS),
}
unsafe = [name for name, wrong in _UNSAFE_OUTSIDE.items() if wrong]
if ENVIRONMENT != "local" and unsafe:
    raise ImproperlyConfigured(f"Not safe in {ENVIRONMENT}: {', '.join(unsafe)}. See .env.sample.")
if (CHAPA_MODE == "live") != (ENVIRONMENT == "production"):
    raise ImproperlyConfigured(
        f"CHAPA_MODE is {CHAPA_MODE}, which {ENVIRONMENT} is not for: money moves in production, "
        "and nowhere else."
    )
