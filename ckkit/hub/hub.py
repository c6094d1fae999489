"""
The hub: the composition root. Here, and nowhere else, the subsystems are joined.

    store ─▶ bus ─▶ watchers            inventory ─▶ collector ─▶ store
      └────▶ overview ─▶ pages          evaluator ─▶ store, notifiers
"""

import contextlib
import os
import secrets
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import pyarrow as pa
import structlog

from ckkit.collect.runner import Collector
from ckkit.config import Config, Home, Workspace, duration
from ckkit.errors import CkkitError
from ckkit.hub.auth import Gate
from ckkit.hub.bus import Bus, Following
from ckkit.hub.dispatch import Dispatch
from ckkit.hub.doors import Doors
from ckkit.hub.edits import Edits
from ckkit.hub.evaluator import Evaluator
from ckkit.hub.http import HttpService
from ckkit.hub.inventory import Inventory
from ckkit.hub.measures import MEASURES
from ckkit.hub.notices import Notice, Notices
from ckkit.hub.overview import Overview
from ckkit.hub.registry import Caller, Role
from ckkit.model import Event, Receipt, Result
from ckkit.stats import Counters, text
from ckkit.store import Store

COLLECTOR = "collector"
"""The source of the results that this hub measures itself."""
ITSELF = Caller(name="hub", role=Role.ADMIN, peer="itself")
log = structlog.get_logger("hub")


def utcnow() -> datetime:
    return datetime.now(UTC)


class Hub:
    """
    Made on a home and a workspace; then `start`, and `stop` once, also after a `start` that failed.

    Its parts are attributes, for the commands. `boot` is another text in the life of each process.
    """

    def __init__(
        self, home: Home, workspace: Workspace, *, port: int | None = None, clock: Callable[[], datetime] = utcnow
    ) -> None:
        """
        Take the home: its store, its socket, its port.

        Raises:
            ConfigError: ckkit.toml. StoreError: the store is locked, damaged, newer. Taken: the port.
        """
        self.home, self.workspace, self.clock = home, workspace, clock
        self.config: Config = workspace.load()
        self.version, self.boot, self.started = version("ckkit"), secrets.token_hex(8), clock()
        self.counters = Counters(MEASURES)
        self.counters.set("started_seconds", self.started.timestamp())
        self._stack = contextlib.ExitStack()
        self._changing = threading.Lock()
        try:
            self._open(self.config.hub.port if port is None else port)
        except BaseException:
            self._stack.close()
            raise

    def _open(self, port: int) -> None:
        home, config = self.home, self.config
        self.store = Store.open(home.store, clock=self.clock, read_limit_s=self.read_limit_s, backups=home.backups)
        self._stack.callback(self.store.close)
        self.doors = Doors.bind(home.socket(), port)
        self._stack.callback(self.doors.close)
        self.bus = Bus(self.store, self.clock)
        self.notices = Notices(self.clock, self._notices_changed)
        self.gate = Gate(home, os.getuid())
        self.collector = Collector(self._take, self.notices, clock=self.clock)
        self.inventory = Inventory(
            workspace=self.workspace,
            store=self.store,
            collector=self.collector,
            notices=self.notices,
            clock=self.clock,
        )
        self.evaluator = Evaluator(
            workspace=self.workspace,
            store=self.store,
            notices=self.notices,
            clock=self.clock,
            pages=lambda: str((home.part("dashboards") or {}).get("url", "")),
        )
        self.overview = Overview(
            store=self.store,
            inventory=self.inventory,
            bus=self.bus,
            notices=self.notices,
            judged=self.evaluator.last_slot,
            clock=self.clock,
            every=duration(config.collect.every),
        )
        self.dispatch = Dispatch(self, self.boot)
        self.http = HttpService(self, self.doors)
        self.edits = Edits(self.workspace.toml, self._edited)

    # -- its life ------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to work, and say so in the home once it answers."""
        self.home.all_tokens()  # made now, so that nobody finds them missing
        self.store.on_commit(self._committed)
        self.store.on_results(self._count_results)
        self.store.inventory.declare(self.inventory.metrics())
        self.inventory.start(self.config)
        self._stack.callback(self.inventory.stop)
        self.collector.start()
        self._stack.callback(self._stop_collector)
        self.evaluator.start(self.config)
        self._stack.callback(self.evaluator.stop)
        self.overview.start()
        self._stack.callback(self.overview.stop)
        self.http.start()
        self._stack.callback(self.http.stop)
        self.edits.start()
        self._stack.callback(self.edits.stop)
        self._announce()
        self._stack.callback(self.home.withdraw, "hub")

    def stop(self) -> None:
        """End, the last that began first: what was acknowledged is stored, what is on its way is finished."""
        self._stack.close()

    def _announce(self) -> None:
        self.home.announce(
            "hub",
            started=self.started.isoformat(),
            url=self.doors.url,
            socket=str(self.doors.path),
            boot=self.boot,
            version=self.version,
            read_limit_s=self.read_limit_s,
            workspace=str(self.workspace.path),
        )

    def _stop_collector(self) -> None:
        lost = self.collector.stop()
        if lost:
            log.error("results lost at the end: the store did not take them", results=lost)

    def reload(self) -> None:
        """
        Read ckkit.toml again and make it so.

        Raises:
            ConfigError: it is wrong: what was in force stays.
        """
        with self._changing:
            config = self.workspace.load()
            self.inventory.apply(config)
            self.evaluator.apply(config)
            self.overview.apply(duration(config.collect.every))
            self.config = config
        self.notices.clear("config")

    def _edited(self) -> None:
        try:
            self.reload()
            log.info("the configuration was read again", file=str(self.workspace.toml))
        except CkkitError as error:
            log.warning("the configuration cannot be used", error=str(error))
            self.notices.raise_("config", "warn", f"{error}; what was before stays in force")

    # -- between the parts ---------------------------------------------------------------------------------------

    def _take(self, results: Sequence[Result], sequence: int) -> Receipt:
        return self.store.results(results, source=COLLECTOR, boot=self.boot, sequence=sequence)

    def _committed(self, events: list[Event]) -> None:
        for event in events:
            self.counters.add("events_total", topic=event.topic)
            if event.topic == "transitions":
                self.counters.add("transitions_total", float(event.payload.get("count", 1)))
            elif event.topic == "notifications":
                self.counters.add("notifications_total", float(event.payload.get("count", 1)))
        self.bus.tell(events)

    def _count_results(self, rows: pa.Table) -> None:
        self.counters.add("results_total", rows.num_rows)

    def _notices_changed(self, notices: list[Notice]) -> None:
        self.bus.say("notices", count=len(notices))

    # -- for those who ask ---------------------------------------------------------------------------------------

    @property
    def read_limit_s(self) -> float:
        """How long a query of people may take."""
        return duration(self.config.hub.read_limit).total_seconds()

    def ask(self, name: str, body: bytes) -> bytes:
        """Do a command as the hub itself; takes and returns JSON."""
        return self.dispatch.run(name, body, ITSELF)

    def watch(self, topics: Sequence[str], since: int | None) -> Following:
        """Yield events to a thread of this process."""
        return self.bus.watch(topics, since)

    def status(self) -> dict[str, Any]:
        """Return what the hub is and how it fares. Nothing secret."""
        judged = self.evaluator.last_slot()
        return {
            "version": self.version,
            "pid": os.getpid(),
            "boot": self.boot,
            "started": self.started,
            "home": str(self.home.path),
            "workspace": str(self.workspace.path),
            "url": self.doors.url,
            "socket": str(self.doors.path),
            "store": {"path": str(self.store.path), "bytes": self.store.bytes(), "events": self.store.last_seq()},
            "nodes": len(self.inventory.nodes()),
            "checks": len(self.inventory.checks()),
            "collector": self.collector.counters(),
            "evaluated": {"slot": judged.slot, "by": judged.by} if judged else None,
            "overview_tick": self.overview.tick,
            "reads_running": self.store.running,
            "watchers": self.bus.subscribers,
            "lag_seconds": self.http.lag_s,
            "notices": self.notices.list(),
        }

    def measured(self) -> str:
        """Return what is counted, as Prometheus reads it."""
        counters = self.counters
        counters.set("reads_running", self.store.running)
        counters.set("watchers", self.bus.subscribers)
        counters.set("events_dropped_total", self.bus.dropped)
        counters.set("overview_ticks_total", self.overview.tick)
        counters.set("notices", len(self.notices.list()))
        counters.set("store_bytes", self.store.bytes())
        for name, value in self.collector.counters().items():
            counters.set("collect", value, what=name)
        return text(counters.snapshot())
