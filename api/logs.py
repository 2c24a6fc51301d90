"""How the process logs: to standard error, one line an event, tracebacks without the values of variables.

Those values, and the parameters of SQL, may be somebody's card number or address.
"""

import logging
import sys

import structlog


def configure(least: int = logging.INFO) -> None:
    """Log events of level `least` and above."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
            ),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
