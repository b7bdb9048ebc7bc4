"""Log lines: structured, on stderr, the server's own and those of its libraries alike."""

import logging
import sys
from typing import Any, Final

import orjson
import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from structlog.typing import Processor

from server.settings import Settings

_SHARED: Final[tuple[Processor, ...]] = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
)


def configure_logs(settings: Settings) -> None:
    """Write log lines as the settings say, from now on."""
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    structlog.configure(
        processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=list(_SHARED), processors=_rendering(settings.log_format)
        )
    )
    handler.addFilter(_blame_senders)
    logging.basicConfig(handlers=[handler], level=level, force=True)
    for library in ("httpx", "httpcore"):  # the requests of the in-process worker are logged here
        logging.getLogger(library).setLevel(logging.WARNING)


def _blame_senders(record: logging.LogRecord) -> bool:
    """Log what was sent that is no HTTP in a line, and as no error: anybody can send it.

    What the library says of it can hold a header, and so a key; its name for it does not.
    """
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, HttpProcessingError | web.RequestPayloadError):
        record.levelno, record.levelname = logging.INFO, "INFO"
        record.msg, record.args = "a request could not be read: %s", (type(error).__name__,)
        record.exc_info = None
    return record.levelno >= logging.getLogger().level


def _rendering(form: str) -> list[Processor]:
    plain: list[Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if form == "console":
        colours = sys.stderr.isatty()
        return [*plain, structlog.dev.ConsoleRenderer(colors=colours)]
    as_json = structlog.processors.JSONRenderer(serializer=_serialise)
    return [*plain, structlog.processors.format_exc_info, as_json]


def _serialise(line: Any, **_: Any) -> str:
    return orjson.dumps(line, default=str).decode()
