"""`python -m ckkit.hub`: the hub as a process, on CKKIT_HOME and CKKIT_WORKSPACE. SIGTERM or Ctrl-C ends it cleanly."""

import argparse
import contextlib
import logging
import queue
import resource
import signal
import sys
import threading
from typing import Any

import structlog

from ckkit.config import Home, Workspace
from ckkit.errors import CkkitError
from ckkit.hub.hub import Hub

log = structlog.get_logger("hub")


MEMORY_BYTES = 2 << 30
"""What this process may have at most. DuckDB's own limit does not count a single value, and one can be all the memory
of the machine: `select range(2000000000)`. With this the query fails alone, at once, and says so."""


def bound_memory() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    most = MEMORY_BYTES if hard == resource.RLIM_INFINITY else min(MEMORY_BYTES, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (most, hard))


def configure_logs() -> None:
    """Write every log line, ours and the libraries', as JSON to stdout."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stdout),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    threading.excepthook = _thread_died


def _thread_died(died: threading.ExceptHookArgs) -> None:
    name = died.thread.name if died.thread else "unknown"
    error = died.exc_value or died.exc_type()
    log.error("a thread died", thread=name, exc_info=(died.exc_type, error, died.exc_traceback))


def _wait(asked_to_end: "queue.SimpleQueue[int]") -> None:
    """
    Wait for a signal. It may reach any thread, and only this one handles it, so it looks up now and then.

    A SimpleQueue, and no Event: the handler may interrupt this very wait, and would wait for the Event's lock for ever.
    """
    while True:
        with contextlib.suppress(queue.Empty):
            asked_to_end.get(timeout=0.5)
            return


def main(arguments: list[str] | None = None) -> int:
    """Run until a signal. Returns 0, or 1 where it could not start; why is said on stderr."""
    parser = argparse.ArgumentParser(prog="python -m ckkit.hub", description=__doc__)
    parser.add_argument("--port", type=int, default=None, help="of the loopback; else that of ckkit.toml; 0: any")
    asked = parser.parse_args(arguments)
    configure_logs()
    bound_memory()
    asked_to_end: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: asked_to_end.put(number))
    hub = None
    try:
        hub = Hub(Home.find(), Workspace.find(), port=asked.port)
        hub.start()
        log.info("the hub answers", url=hub.doors.url, socket=str(hub.doors.path), home=str(hub.home.path))
        _wait(asked_to_end)
        log.info("the hub stops")
    except CkkitError as error:
        log.error("the hub cannot run", code=error.code, error=error.message)
        sys.stderr.write(f"ckkit hub: {error.message}\n")
        return 1
    finally:
        if hub is not None:
            hub.stop()
    log.info("the hub has stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
