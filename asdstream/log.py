"""Logging: JSON where a journal reads it, coloured lines where a person does."""

import logging
import os
import sys
from typing import Literal

import structlog
from structlog.typing import EventDict, WrappedLogger

from asdstream.log_repeats import Repeats

LogFormat = Literal["auto", "json", "console"]
LogLevel = Literal["debug", "info", "warning", "error"]

_SECRET_WORDS = ("password", "secret", "token")


def configure(level: LogLevel = "info", log_format: LogFormat = "auto") -> None:
    """Send every log line to standard error, from `level` upwards.

    `auto` writes JSON when standard error is not a terminal (a journal, a file, a pipe) and readable lines when it is.
    """
    as_json = log_format == "json" or (log_format == "auto" and (_under_systemd() or not sys.stderr.isatty()))
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            Repeats(),
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _hide_secrets,
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )


def _under_systemd() -> bool:
    return "JOURNAL_STREAM" in os.environ


def _hide_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    # A second fence: nothing logs a secret on purpose, and nothing shall by accident.
    for key in event:
        if any(word in key.lower() for word in _SECRET_WORDS):
            event[key] = "(hidden)"
    return event
