"""
The inventory: which nodes there are, by their providers, and which checks run on them.

    ckkit.toml + providers → nodes → checks → store.inventory → collector

What is written here is listed at once. Clouds are listed beside, every few minutes: one
that fails or hangs changes nothing, and a notice says so until it answers again.
"""

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

import msgspec

from ckkit.collect.bounds import failure
from ckkit.collect.desired import Place, Problem, desired, merged
from ckkit.collect.outbox import Notices
from ckkit.collect.processtable import ProcessTable
from ckkit.collect.runner import Collector, utcnow
from ckkit.collect.threads import Threads
from ckkit.config import Config, Workspace
from ckkit.errors import CkkitError, ConfigError, NotFound
from ckkit.model import Check, Metric, Node
from ckkit.plugins import discover
from ckkit.protocols import Provider
from ckkit.tomlfile import locate, nearest

EVERY = timedelta(minutes=5)
PATIENCE_S = 60.0


class Kept(Protocol):
    """`store.inventory`: what should be, with the ids that the store gives once and for ever."""

    def sync(self, nodes: Any, checks: Any) -> Any: ...

    def nodes(self) -> list[Node]: ...

    def checks(self) -> list[Check]: ...

    def declare(self, metrics: Iterable[Metric]) -> None: ...

    def metrics(self, type: str | None = None) -> list[tuple[int, Metric]]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What a provider said last. `problem` is why its nodes are those of an earlier time, or missing."""

    name: str
    type: str
    nodes: tuple[Node, ...] = ()
    listed: datetime | None = None
    problem: str = ""


class Inventory:
    """`start`, `stop` and `apply` are for the hub; the rest answers commands, from any thread."""

    def __init__(
        self,
        *,
        workspace: Workspace,
        store: Any,
        collector: Collector,
        notices: Notices,
        clock: Callable[[], datetime] = utcnow,
        every: timedelta = EVERY,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self.workspace, self.collector = workspace, collector
        self.processes = ProcessTable()
        self.editing = threading.Lock()  # held while a command reads, changes and writes ckkit.toml
        self.problems: list[Problem] = []
        self._kept: Kept = store.inventory
        self._notices, self._clock, self._every, self._patience_s = notices, clock, every, patience_s
        self._lock = threading.RLock()
        self._config = Config()
        self._text = ""
        self._providers: dict[str, Provider] = {}
        self._tables: dict[str, Mapping[str, Any]] = {}
        self._listings: dict[str, Listing] = {}
        self._nodes: dict[str, Node] = {}
        self._checks: dict[str, Check] = {}
        self._lines: dict[str, int] = {}
        self._threads = Threads(4, name="ckkit-provider")
        self._again = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._keep_listing, name="ckkit-inventory", daemon=True)

    # -- for the hub ---------------------------------------------------------------------------------------------

    def start(self, config: Config) -> None:
        """Tell the store what the check types measure, apply the configuration, and list the clouds from now on."""
        self._kept.declare(self.collector.catalogue.metrics())
        self.apply(config)
        self._thread.start()

    def stop(self) -> None:
        self._stopping = True
        self._again.set()
        if self._thread.ident is not None:
            self._thread.join(5.0)
        self._threads.close()

    def apply(self, config: Config) -> None:
        """
        Make it so. Bad checks and providers become `problems`, and the others go on.

        Raises:
            StoreError: the store cannot take it: nothing is changed.
        """
        with self._lock:
            self._config = config
            self._text = self.workspace.toml.read_text(encoding="utf-8") if self.workspace.toml.is_file() else ""
            self._make_providers(config)
            self._list("static")
            self._settle()
        self._again.set()

    # -- for commands --------------------------------------------------------------------------------------------

    @property
    def here(self) -> str | None:
        """The name of this machine's node; None where it is not watched."""
        machine = self._config.this_machine
        return machine.node if machine.enabled else None

    # These read snapshots and take no lock: whoever follows the store's commits may ask in the midst of a `sync`.

    def nodes(self) -> list[Node]:
        """Return the nodes there are now, by name."""
        return sorted(self._nodes.values(), key=lambda node: node.name)

    def checks(self) -> list[Check]:
        """Return the checks that run now, by key."""
        return sorted(self._checks.values(), key=lambda check: check.key)

    def node(self, name: str) -> Node:
        """Return the node of that name. Raises NotFound with the nearest."""
        nodes = self._nodes
        if name not in nodes:
            raise NotFound(f"there is no node {name!r}{nearest(name, list(nodes))}")
        return nodes[name]

    def check(self, key: str) -> Check:
        """Return the check of that key (`node/type:instance`). Raises NotFound with the nearest."""
        checks = self._checks
        if key not in checks:
            raise NotFound(f"there is no check {key!r}{nearest(key, list(checks))}")
        return checks[key]

    def line(self, key: str) -> int | None:
        """Return the line of ckkit.toml where a check is written; None for this machine's own."""
        return self._lines.get(key)

    def listings(self) -> list[Listing]:
        """Return what each provider said last, by name."""
        return sorted(self._listings.values(), key=lambda listing: listing.name)

    def metrics(self, type: str | None = None) -> list[Metric]:
        """
        Return what the check types measure, those of passive checks too, in the order of their positions.

        Raises:
            NotFound: there is no such type, neither installed nor in the store.
        """
        found = [metric for _, metric in self._kept.metrics(type)]
        if type is not None and not found:
            self.collector.catalogue.get(type)
        return found

    # -- providers -----------------------------------------------------------------------------------------------

    def _make_providers(self, config: Config) -> None:
        """Make the providers whose tables are new or other; those that are gone are forgotten with their nodes."""
        tables: dict[str, Mapping[str, Any]] = {
            "static": {
                "type": "static",
                "this_machine": msgspec.to_builtins(config.this_machine),
                "nodes": msgspec.to_builtins(config.nodes),
            },
            **{name: table for name, table in config.providers.items() if name != "static"},
        }
        for name in self._listings.keys() - tables.keys():
            del self._listings[name]
            self._providers.pop(name, None)
            self._notices.clear(_notice(name))
        for name, table in tables.items():
            if table != self._tables.get(name) or name not in self._providers:
                self._make_provider(name, table)
        self._tables = tables

    def _make_provider(self, name: str, table: Mapping[str, Any]) -> None:
        kind = str(table.get("type", ""))
        known = self._listings.get(name) or Listing(name=name, type=kind, nodes=self._remembered(name))
        self._listings[name] = replace(known, type=kind, problem="")
        self._providers.pop(name, None)
        plugins = discover("ckkit.providers")
        try:
            if kind not in plugins.found:
                said = plugins.broken.get(kind) or nearest(kind, list(plugins.found)).removeprefix(": ")
                raise ConfigError(f"the provider {name}: there is no provider type {kind!r}: {said}", key="type")
            given = {key: value for key, value in table.items() if key != "type"}
            self._providers[name] = plugins.found[kind](name, given)
        except CkkitError as error:
            line = locate(self._text, ("providers", name, str(error.details.get("key", ""))))
            self._failed(name, f"{self.workspace.toml}:{line}: {error.message}")

    def _remembered(self, name: str) -> tuple[Node, ...]:
        """What the store knows of a provider's nodes: they stay while it cannot be asked."""
        if name == "static":
            return ()
        return tuple(node for node in self._kept.nodes() if node.provider == name)

    def _list(self, name: str) -> bool:
        """Ask one provider; says whether its nodes are other than before. Its failure is kept and said."""
        provider = self._providers.get(name)
        if provider is None:
            return False
        call = self._threads.submit(provider.nodes)
        try:
            nodes = tuple(call.result(self._patience_s))
        except TimeoutError:
            self._threads.abandon(call)
            self._failed(name, f"the provider {name} did not answer within {self._patience_s:g} s")
            return False
        except Exception as error:  # noqa: BLE001  a provider's code: whatever it raises, its nodes stay
            self._failed(name, failure(error))
            return False
        with self._lock:
            before = self._listings.get(name)
            if before is None or self._providers.get(name) is not provider:
                return False  # it was taken out of ckkit.toml meanwhile
            nodes = tuple(replace(node, provider=name) for node in nodes)
            self._listings[name] = replace(before, nodes=nodes, listed=self._clock(), problem="")
        self._notices.clear(_notice(name))
        return nodes != before.nodes

    def _failed(self, name: str, why: str) -> None:
        with self._lock:
            if name in self._listings:
                self._listings[name] = replace(self._listings[name], problem=why)
        self._notices.raise_(_notice(name), "warn", f"{why}. Its nodes stay as they were")

    def _keep_listing(self) -> None:
        while True:
            self._again.wait(self._every.total_seconds())
            self._again.clear()
            if self._stopping:
                return
            for name in list(self._providers):
                self._list(name)
            try:
                # Also where no node changed: this machine may have another disk or interface now.
                with self._lock:
                    self._settle()
                self._notices.clear("inventory.store")
            except Exception as error:  # noqa: BLE001  this loop's border: whatever it is, the next turn tries again
                self._notices.raise_("inventory.store", "warn", f"the inventory could not be stored: {failure(error)}")

    # -- from providers to the collector -------------------------------------------------------------------------

    def _settle(self) -> None:
        place = Place(self.workspace.toml, self._text)
        nodes, problems = merged({name: listing.nodes for name, listing in self._listings.items()}, place)
        here = self.here if self.here in nodes else None
        found = desired(self._config, list(nodes.values()), here, self.collector.catalogue, place, self._checks)
        self._kept.sync(list(nodes.values()), list(found.checks.values()))
        # The store gives the ids; what it keeps of the params has no secrets, so ours are the ones to run with.
        check_ids = {check.key: check.check_id for check in self._kept.checks()}
        node_ids = {node.name: node.node_id for node in self._kept.nodes()}
        self._nodes = {name: replace(node, node_id=node_ids.get(name)) for name, node in nodes.items()}
        self._checks = {key: replace(check, check_id=check_ids[key]) for key, check in found.checks.items()}
        self._lines = found.lines
        self.problems = [*problems, *found.problems]
        active = [check for check in self._checks.values() if not check.passive]
        self.collector.set_checks(active, list(self._nodes.values()))
        self._say_problems()

    def _say_problems(self) -> None:
        if not self.problems:
            self._notices.clear("inventory.checks")
            return
        more = f" (and {len(self.problems) - 1} more: `ckkit checks`)" if len(self.problems) > 1 else ""
        self._notices.raise_("inventory.checks", "warn", f"{self.problems[0]}{more}")


def _notice(provider: str) -> str:
    return f"inventory.provider.{provider}"
