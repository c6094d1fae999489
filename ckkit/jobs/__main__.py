"""`python -m ckkit.jobs`: the runner, on CKKIT_HOME and CKKIT_WORKSPACE. SIGTERM or Ctrl-C ends it cleanly."""

import logging
import sys

from ckkit.jobs.lean import UNUSED, without


def configure_logs() -> None:
    """Write every log line as JSON to stdout, as the hub does; what libraries warn of as well."""
    import structlog

    structlog.configure(
        processors=[
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stdout),
    )
    libraries = '{"event": "%(message)s", "logger": "%(name)s"}'
    logging.basicConfig(stream=sys.stdout, level=logging.WARNING, format=libraries)


if __name__ == "__main__":
    with without(*UNUSED):
        configure_logs()
        from ckkit.jobs.runner import main

    sys.exit(main())
