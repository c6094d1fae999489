"""
`Kit`: the object that notebooks hold. A namespace a noun, all of them on one wire; it reaches no subsystem.

    kit.nodes.list("tag:web")       kit.nodes["web0"]        kit.checks.run("web0/http:homepage")
    kit.series("cpu.busy_ratio", "tag:web", since="6h")      kit.sql("select … where node = $node", node="web0")
    kit.monitors["disk full"]       kit.alerts.list("firing")        kit.events.on("transitions", print)
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ckkit.kit.addresses import Addresses
from ckkit.kit.alerts import Alerts
from ckkit.kit.checks import Checks
from ckkit.kit.events import Events
from ckkit.kit.hub import Hub
from ckkit.kit.jobs import Jobs
from ckkit.kit.metrics import Metrics
from ckkit.kit.monitors import Monitors
from ckkit.kit.nodes import Nodes
from ckkit.kit.notifications import Notifications
from ckkit.kit.providers import Providers
from ckkit.kit.series import Ask, series
from ckkit.kit.silences import Silences
from ckkit.kit.times import When, utcnow

if TYPE_CHECKING:
    from ckkit.protocols import Wire
    from ckkit.wire.frame import Frame

NOUNS = (
    "addresses", "alerts", "checks", "events", "hub", "jobs", "metrics", "monitors", "nodes", "notifications",
    "providers", "silences",
)  # fmt: skip
VERBS = ("close", "overview", "series", "sql")


class Kit:
    """Everything that one hub, or one store file, can be asked. Safe to use from several threads."""

    def __init__(self, wire: "Wire", where: str = "", clock: Callable[[], datetime] = utcnow) -> None:
        self.wire, self.where, self.clock = wire, where, clock

    @classmethod
    def connect(cls) -> "Kit":
        """Return a kit on the running hub of CKKIT_HOME. Raises HubUnreachable; never starts one."""
        from ckkit.home import Home
        from ckkit.wire.http_client import HttpWire

        home = Home.find()
        return cls(HttpWire.connect(home), f"the hub of {home.path}")

    @cached_property
    def addresses(self) -> Addresses:
        """Where notifications go; never their URLs."""
        return Addresses(self)

    @cached_property
    def alerts(self) -> Alerts:
        """What is wrong now, and what changed."""
        return Alerts(self)

    @cached_property
    def checks(self) -> Checks:
        """What is measured, and how to add to it."""
        return Checks(self)

    @cached_property
    def events(self) -> Events:
        """What happens, as it happens."""
        return Events(self)

    @cached_property
    def hub(self) -> Hub:
        """The hub itself: its health and its notices."""
        return Hub(self)

    @cached_property
    def jobs(self) -> Jobs:
        """Scheduled notebooks and their runs."""
        return Jobs(self)

    @cached_property
    def metrics(self) -> Metrics:
        """What the values of each check type mean."""
        return Metrics(self)

    @cached_property
    def monitors(self) -> Monitors:
        """The rules, and their evaluation."""
        return Monitors(self)

    @cached_property
    def nodes(self) -> Nodes:
        """The machines we watch."""
        return Nodes(self)

    @cached_property
    def notifications(self) -> Notifications:
        """What was sent, to whom, and what they answered."""
        return Notifications(self)

    @cached_property
    def providers(self) -> Providers:
        """Where nodes come from."""
        return Providers(self)

    @cached_property
    def silences(self) -> Silences:
        """Times in which people asked for quiet."""
        return Silences(self)

    def sql(self, statement: str, /, **params: Any) -> "Frame":
        """
        Return the rows of one SELECT; `$name` in it is the parameter of that name.

        Times in the result are UTC. The views `checks.<type>` have the metrics as columns.

        Raises:
            SqlError: the statement, where it is wrong. Refused: it would change something. TimedOut: the hub's limit.
        """
        from ckkit.wire.frame import Frame

        return Frame(self.wire.read(statement, params or None))

    def series(
        self,
        metric: str,
        nodes: str = "*",
        since: When = "1h",
        until: When | None = None,
        step: str | timedelta | None = None,
        instance: str | None = None,
        aggregate: str | None = None,
    ) -> "Frame":
        """
        Return a metric of the nodes of a query, one row a node, instance and bucket that has results.

        Columns `bucket` (UTC start of the step), `node`, `instance`, `value`, ordered by node, instance, bucket; the
        unit is in the metadata of `value`. `aggregate` (avg, min, max, sum, last) says what a bucket keeps, by default
        the mean; of a counter it is the rate per second, which `aggregate="rate"` asks for by name. Without `step` it
        is the least round one that gives at most 300 buckets.

        Raises:
            NotFound: no such metric; names the nearest. QueryError: the node query. Invalid: a time, a step.
        """
        ask = Ask(metric, nodes, since, until, step, instance, aggregate)
        return series(self, ask)

    def overview(self, since: int | None = None) -> dict[str, Any]:
        """Return what the overview page shows; given the last `tick`, only that it is `unchanged` where it is."""
        found: dict[str, Any] = self.wire.command("overview.get", {"since": since})
        return found

    def close(self) -> None:
        """End every connection."""
        self.wire.close()

    def __enter__(self) -> "Kit":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __dir__(self) -> list[str]:
        return sorted((*NOUNS, *VERBS))

    def __repr__(self) -> str:
        return f"<Kit on {self.where or type(self.wire).__name__}: {', '.join(NOUNS)}>"
