"""Structured logs: one JSON object a line on standard output; warnings and errors also to listeners."""

import logging
import re
import sys
from collections.abc import Callable, MutableMapping
from typing import Any

import structlog

LogListener = Callable[[MutableMapping[str, Any]], None]
"""Takes one log entry (a dict with ``level``, ``event``, ``timestamp`` …). Must neither block nor log."""

_SECRETS = re.compile(
    r"eyJ[\w-]{8,}\.[\w-]{8,}(\.[\w-]*)?"  # a JWT: access and stream tokens
    r"|\btt_[\w-]{20,}"  # an API key
    r"|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"  # account and password in an address
    r"|(?i:(?<=bearer )|(?<=session ))[\w.~+/-]{20,}"  # what an Authorization header holds
)
_listeners: list[LogListener] = []


def add_listener(listener: LogListener) -> Callable[[], None]:
    """Pass every log entry from now on to ``listener`` as well. Returns the call that removes it."""
    _listeners.append(listener)
    return lambda: _listeners.remove(listener)


def _tell_listeners(_: object, __: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for listener in _listeners:
        listener(entry)
    return entry


def redact(text: str) -> str:
    """``text`` without access tokens and API keys, whatever brought them there."""
    return _SECRETS.sub("[secret]", text)


def _redact_values(_: object, __: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name, value in entry.items():
        if isinstance(value, str):
            entry[name] = redact(value)
    return entry


def configure_logs(service: str, level: str) -> None:
    """Send structlog's and the standard library's records to standard output as JSON lines."""
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        _redact_values,
        lambda _, __, entry: {"service": service, **entry},
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _tell_listeners,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
    # These libraries narrate at INFO what the supervisor and the access log already say.
    for noisy in ("httpx", "httpcore", "uvicorn.access"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    # The driver tells of each row that INSERT IGNORE passes over; the store counts them.
    logging.getLogger("asyncmy").setLevel(logging.ERROR)
    # A lost connection is reported once, by the link that repairs it, and not with the client library's tracebacks.
    for noisy in ("aio_pika", "aiormq"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
