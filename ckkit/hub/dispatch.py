"""
Doing commands: found in the registry, allowed by role, decoded, run, audited; the reply as JSON.

A command that is sent twice with one id, because the first answer got lost, is done once: the second gets the reply of
the first. That holds for the life of this process; where it cannot be known, the caller is told so.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

from ckkit.errors import CkkitError, HubUnreachable
from ckkit.hub import commands
from ckkit.hub.registry import Caller, Command, Role, find, payload_of
from ckkit.store import audit

if TYPE_CHECKING:
    from ckkit.hub.hub import Hub

KEPT = 64  # replies that are kept for whoever asks again
log = structlog.get_logger("commands")

assert commands  # imported for its commands, which register themselves


class Replies:
    """The last replies by id, also those that are still being made."""

    def __init__(self) -> None:
        self._found: OrderedDict[str, Future[bytes]] = OrderedDict()
        self._lock = threading.Lock()

    def __contains__(self, key: str) -> bool:
        return key in self._found

    def once(self, key: str, run: Callable[[], bytes]) -> bytes:
        """Return what `run` returns (or raises), now or when it was called for that key before."""
        with self._lock:
            known = self._found.get(key)
            if known is None:
                mine = self._found[key] = Future()
                while len(self._found) > KEPT:
                    self._found.popitem(last=False)
        if known is not None:
            return known.result()
        try:
            mine.set_result(run())
        except BaseException as error:
            mine.set_exception(error)
            raise
        return mine.result()


class Dispatch:
    """Safe to use from several threads."""

    def __init__(self, hub: "Hub", boot: str) -> None:
        self._hub, self._boot = hub, boot
        self._replies = Replies()

    def run(self, name: str, body: bytes, caller: Caller, key: str = "", again: str | None = None) -> bytes:
        """
        Do a command. `again`, if it is not None, says that it was sent before, to the hub of that boot.

        Raises:
            NotFound, Invalid, Refused: no such command, not its payload, not for this caller.
            HubUnreachable: it was sent to the hub before this one, and may have been done.
            CkkitError: whatever the command says.
        """
        known = find(name)
        if not key or known.role is Role.VIEWER:
            return self._run(known, body, caller)
        if again is not None and again != self._boot:
            raise HubUnreachable(
                f"the hub was started anew while {name} was under way: whether it was done is not known; look, before "
                "you ask for it again"
            )
        return self._replies.once(key, lambda: self._run(known, body, caller))

    def _run(self, known: Command, body: bytes, caller: Caller) -> bytes:
        started, outcome, ask = time.perf_counter(), "ok", None
        try:
            caller.must_be(known.role, known.name)
            ask = payload_of(known, body)
            return msgspec.json.encode(known.run(self._hub, ask, caller))
        except CkkitError as error:
            outcome = error.code
            raise
        except Exception:
            outcome = "internal"
            raise
        finally:
            took = time.perf_counter() - started
            self._hub.counters.add("commands_total", command=known.name, outcome=outcome)
            self._hub.counters.observe("command_seconds", took)
            if known.writes:
                self._audit(known, ask, caller, outcome, took)

    def _audit(self, known: Command, ask: Any, caller: Caller, outcome: str, took_s: float) -> None:
        entry = audit.Entry(
            caller=caller.name,
            role=caller.role,
            peer=caller.peer,
            command=known.name,
            payload=msgspec.to_builtins(ask),
            outcome=outcome,
            took_s=took_s,
        )
        try:
            self._hub.store.write(lambda tx: audit.write(tx, entry))
        except CkkitError as error:  # the command is done: a full disk must not turn that into a failure
            log.error("not audited", command=known.name, caller=caller.name, outcome=outcome, error=str(error))
