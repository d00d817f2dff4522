"""Structured logs: one line an event, only named fields, nothing personal and nothing secret."""

import logging.config
import re
from typing import Any

import structlog
from structlog.typing import EventDict, WrappedLogger

# Names of fields that are never printed, whatever they hold.
_FORBIDDEN = frozenset(
    [
        "authorization",
        "body",
        "checkout_url",
        "cookie",
        "email",
        "key",
        "password",
        "phone",
        "phone_number",
        "return_key",
        "secret",
        "signature",
        "token",
    ]
)
# What slips into free text of libraries.
_LEAKS = re.compile(
    "|".join(
        (
            # E-mail addresses, in an address line too. Bounded: a long word costs its square else.
            r"[\w.+'%-]{1,64}(?:@|%40)[\w-]+\.[\w.-]+",
            # Ethiopian mobile phones, as people write them.
            r"(?<![\w.])(?:(?:\+|%2B)?251[ -]?|0)[79](?:[ -]?\d){8}(?!\w)",
            # Keys of Chapa, tokens, hashes of passwords, logins in the addresses of servers.
            r"CHASECK(?:_TEST)?-[\w-]+",
            r"(?i:bearer)\s+[\w.~+/=-]+",
            r"argon2(?:id)?\$\S+",
            r"(?<=://)[^/\s@:]*:[^\s@]*@",
            # Links that pay or return.
            r"(?:/|%2F)checkout(?:/|%2F)payment(?:/|%2F)[\w-]+",
            r"(?:/|%2F)return(?:/|%2F)[^\s\"'?]+",
            # What PostgreSQL adds to an error: the row, or the statement, with its values.
            r"(?s:(?:\n|\\n)(?:DETAIL|LINE \d+|CONTEXT|QUERY): .*?(?=\n\n|\Z))",
        )
    )
)


def redact(_: WrappedLogger, __: str, entry: EventDict) -> EventDict:
    """The last processor: drop forbidden fields, mask what looks like a person or a secret."""
    return {name: _mask(value) for name, value in entry.items() if name.lower() not in _FORBIDDEN}


def logging_config(level: str) -> dict[str, Any]:
    """Configure structlog and the standard library over one formatter; return the latter's part."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    config = {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "json": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": shared,
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    structlog.processors.format_exc_info,
                    redact,
                    structlog.processors.JSONRenderer(),
                ],
            }
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            # Their lines would carry paths with keys in them; RequestLog writes ours.
            "django.server": {"level": "ERROR"},
            "django.request": {"level": "ERROR"},
            # Anybody may ask by any name: an answer, not an error.
            "django.security.DisallowedHost": {"level": "CRITICAL"},
            "urllib3": {"level": "WARNING"},
            "kombu": {"level": "WARNING"},
            "amqp": {"level": "WARNING"},
            # It keeps its lines to itself otherwise, and those of broken requests quote them.
            "gunicorn.error": {"level": level, "propagate": True},
        },
    }
    logging.config.dictConfig(config)
    return config


def _mask(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _mask(v) for k, v in value.items() if str(k).lower() not in _FORBIDDEN}
    if isinstance(value, list | tuple):
        return [_mask(item) for item in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    # As text, here: the renderer would write the bare repr of anything else.
    return _LEAKS.sub("[redacted]", str(value))
