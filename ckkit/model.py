"""
The vocabulary of ckkit: the records that every layer speaks, and nothing else.

Standard library only, so that any layer may import it. Records are frozen.
Times are timezone-aware UTC. Values are in the base unit that ends the
metric's name: `_seconds`, `_bytes`, `_ratio` (0..1), `_total` (a counter);
a name without a unit counts things (`processes`, `load_1m`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class _Ranked(StrEnum):
    @property
    def code(self) -> int:
        """The position in the list of members: what the store keeps."""
        return list(type(self)).index(self)


class State(_Ranked):
    """How one run of a check ended."""

    OK = "ok"
    WARN = "warn"
    ERR = "err"


class Level(_Ranked):
    """How bad one evaluation is. `nodata`: nothing was measured in the window."""

    OK = "ok"
    WARN = "warn"
    CRITICAL = "critical"
    NODATA = "nodata"


class Status(_Ranked):
    """Where an alert is in its life."""

    OK = "ok"
    PENDING = "pending"
    FIRING = "firing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A machine we watch. `node_id` is given by the store; the name is unique."""

    name: str
    provider: str = "static"
    node_id: int | None = None
    state: str = "running"
    tags: tuple[str, ...] = ()
    public_addresses: tuple[str, ...] = ()
    private_addresses: tuple[str, ...] = ()
    details: Mapping[str, str] = field(default_factory=dict)

    @property
    def address(self) -> str:
        """Where checks from outside go: the first private, else public address, else the name."""
        return next(iter((*self.private_addresses, *self.public_addresses)), self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """
    One measurement on one node. (node, type, instance) is its identity; `check_id` is given by the store.

    A `passive` check is not run by the collector: its results are appended by others.
    """

    node: str
    type: str
    instance: str = ""
    check_id: int | None = None
    every: timedelta = timedelta(seconds=10)
    timeout: timedelta = timedelta(seconds=8)
    params: Mapping[str, Any] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    passive: bool = False

    @property
    def name(self) -> str:
        """`type`, or `type:instance` where a node has several of the type."""
        return f"{self.type}:{self.instance}" if self.instance else self.type

    @property
    def key(self) -> str:
        """`node/type:instance`: one text that names this check."""
        return f"{self.node}/{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """What one value of a check type means. `exact` values are never rounded; counters are exact."""

    name: str
    kind: str = "gauge"
    unit: str = ""
    exact: bool = False
    help: str = ""
    type: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a check type returns: values by metric name in base units, one line of text, a state."""

    values: Mapping[str, float] = field(default_factory=dict)
    status: str = ""
    state: State = State.OK


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One run of one check. `ts` is the slot it ran for; `took_seconds` how long it took."""

    check_id: int
    ts: datetime
    state: State
    took_seconds: float
    status: str = ""
    values: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One row of a node's process table. `cpu_ratio` is of one processor since the last look."""

    pid: int
    name: str
    user: str
    cpu_ratio: float
    memory_ratio: float
    memory_bytes: int
    started: datetime
    command: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Monitor:
    """A rule for the checks of a type on the nodes of a query. `hold` is `for` in the file."""

    name: str
    nodes: str
    check: str
    instance: str = "*"
    warn: str | None = None
    critical: str | None = None
    recovery: str | None = None
    aggregate: str = "last"
    window: timedelta = timedelta(0)
    hold: timedelta = timedelta(0)
    keep_firing_for: timedelta = timedelta(0)
    new_instance_delay: timedelta = timedelta(0)
    missing: str = "nodata"
    on_error: str = "critical"
    notify: tuple[str, ...] = ()
    message: str = ""
    reported: bool = False
    file: str = ""
    version: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One monitor's status on one check, as of `slot`. `value` is what was judged, `rule` the condition that held."""

    monitor: str
    node: str
    check: str
    check_id: int
    status: Status
    level: Level
    slot: datetime
    since: datetime | None = None
    fired_at: datetime | None = None
    value: float | None = None
    text: str = ""
    rule: str = ""
    window: timedelta = timedelta(0)
    result_at: datetime | None = None
    reason: str = ""
    told: Status = Status.OK
    told_level: Level = Level.OK
    told_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One change of an alert. Append-only."""

    slot: datetime
    monitor: str
    node: str
    check: str
    check_id: int
    before: Status
    after: Status
    level: Level
    reason: str
    value: float | None = None
    monitor_version: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What was decided about telling one alert to one address (or, dropped, to nobody), and why."""

    slot: datetime
    monitor: str
    node: str
    check: str
    kind: str  # "problem", "recovery", "none"
    address: str | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What a tick did: shown by `evaluate_monitors.ipynb`. `steps` maps a step to its seconds, in order."""

    slot: datetime
    by: str
    monitors: int
    instances: int
    took_seconds: float
    repeated: bool = False
    alerts: tuple[Alert, ...] = ()
    transitions: tuple[Transition, ...] = ()
    decisions: tuple[Decision, ...] = ()
    steps: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """People ask for quiet: nobody is told of the monitors (a glob) on the nodes (a query) until `ends`."""

    silence_id: int | None = None
    nodes: str = "*"
    monitor: str = "*"
    starts: datetime
    ends: datetime
    who: str
    comment: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where notifications go. The URL may hold a password: it has no part in repr or SQL."""

    name: str
    url: str = field(repr=False)
    kind: str = "apprise"
    timeout: timedelta = timedelta(seconds=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What is sent: built once a notification, in every form a notifier may want."""

    title: str
    text: str
    html: str
    kind: str  # "problem", "recovery", "test"
    level: Level
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """
    One execution of a scheduled notebook. `output` is the executed copy's path below the home's `runs`, or empty.

    `why` is "slot", "catch-up" (slots before this one were `missed`) or "request"; `kernel` says which one ran it.
    """

    run_id: str
    job: str
    notebook: str
    state: str  # "running", "ok", "failed", "timeout"
    started: datetime
    slot: datetime | None = None
    finished: datetime | None = None
    error: str = ""
    output: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    why: str = "slot"
    missed: int = 0
    kernel: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened. `seq` grows by commit; `scope` is what the order holds within."""

    seq: int
    ts: datetime
    topic: str
    scope: str = ""
    source: str = ""
    payload: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The answer to an append: committed. `new` is false when the batch had been delivered before."""

    rows: int
    new: bool
    seq: int | None = None
