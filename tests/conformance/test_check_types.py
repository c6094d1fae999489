"""What every check type promises: each plugin of the group `ckkit.checks` is held to it."""

import asyncio
import inspect
import re
import socket
import time
from datetime import timedelta
from importlib.metadata import entry_points
from typing import Any

import msgspec
import pytest

from ckkit.collect.bounds import bounded
from ckkit.collect.catalogue import Catalogue
from ckkit.collect.measure import measure
from ckkit.collect.threads import Threads
from ckkit.errors import Invalid
from ckkit.model import Check, Node, Outcome, State
from ckkit.plugins import discover
from ckkit.protocols import CheckType

CATALOGUE = Catalogue()
NAMES = sorted(CATALOGUE.types)
LOCAL = [name for name in NAMES if CATALOGUE.types[name].local]
REMOTE = [name for name in NAMES if not CATALOGUE.types[name].local]

# The params that make a remote type look at a port of this machine.
AIMED: dict[str, Any] = {
    "http": lambda port: {"url": f"http://127.0.0.1:{port}/"},
    "tcp": lambda port: {"port": port, "expect": "never"},
    "ping": lambda port: {"count": 1},
}
UNITS = {"_seconds": "seconds", "_bytes": "bytes", "_ratio": "ratio", "_bytes_per_second": "bytes/s"}


def test_every_entry_point_is_found_and_none_is_broken() -> None:
    assert sorted(point.name for point in entry_points(group="ckkit.checks")) == NAMES
    assert CATALOGUE.broken == {}
    assert set(REMOTE) <= AIMED.keys(), "a new remote type needs its params in AIMED"


@pytest.mark.parametrize("name", NAMES)
def test_it_says_what_it_is(name: str) -> None:
    kind = discover("ckkit.checks").found[name]()  # made without arguments
    assert isinstance(kind, CheckType)
    assert kind.name == name
    assert kind.help.endswith(".") and "\n" not in kind.help
    assert list(inspect.signature(kind.run).parameters) == ["node", "params", "instance", "timeout_s"]


@pytest.mark.parametrize("name", NAMES)
def test_its_params_are_a_strict_frozen_record_that_explains_itself(name: str) -> None:
    kind = CATALOGUE.types[name].Params
    assert issubclass(kind, msgspec.Struct)
    assert kind.__struct_config__.forbid_unknown_fields and kind.__struct_config__.frozen
    (reference,), known = msgspec.json.schema_components([kind])
    schema = known[reference["$ref"].rpartition("/")[2]]
    for key, about in schema["properties"].items():
        assert about.get("description") or about.get("enum"), f"{name}: say what {key} means"
    with pytest.raises(Invalid, match=f"the check type {name} has no key 'nonsense'"):
        CATALOGUE.params(name, {"nonsense": 1})


@pytest.mark.parametrize("name", NAMES)
def test_its_metrics_have_their_unit_in_their_name(name: str) -> None:
    metrics = CATALOGUE.metrics(name)
    assert metrics and len({metric.name for metric in metrics}) == len(metrics)
    for metric in metrics:
        assert re.fullmatch(r"[a-z][a-z0-9_]*", metric.name)
        assert metric.type == name and metric.help and not metric.help.endswith(".")
        ending = max((e for e in UNITS if metric.name.endswith(e)), key=len, default=None)
        if ending:
            assert metric.unit == UNITS[ending], metric
        counter = metric.name.endswith("_total")
        assert (metric.kind == "counter") == counter, metric
        assert metric.exact or not counter, f"{metric.name}: a counter is never rounded"


@pytest.mark.parametrize("name", LOCAL)
def test_a_local_type_finds_its_instances_and_measures_each(name: str) -> None:
    kind = CATALOGUE.types[name]
    instances = kind.instances()
    assert all(isinstance(instance, str) for instance in instances)
    declared = {metric.name for metric in kind.metrics}
    for instance in instances:
        outcome = run(name, instance, {})
        assert outcome.state is State.OK, outcome.status
        assert bounded(outcome) == outcome, "more, longer or other than what can be kept"
        assert outcome.values.keys() <= declared


@pytest.mark.parametrize("name", LOCAL)
def test_a_local_type_fails_by_name_where_its_instance_is_gone(name: str) -> None:
    if CATALOGUE.types[name].instances() == ("",):
        return  # it has one, without a name
    outcome = run(name, "not-there", {})
    assert outcome.state is State.ERR and "'not-there'" in outcome.status


@pytest.mark.parametrize("name", REMOTE)
def test_a_remote_type_minds_its_time(name: str) -> None:
    """Against a port that takes connections and never answers; ping only has to be as quick."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        outcome = run(name, "", AIMED[name](silent.getsockname()[1]), timeout_s=1.0)
    assert time.monotonic() - began < 1.6
    if name != "ping":
        assert outcome.state is State.ERR and outcome.status.startswith("time-out after 1 s, ")


@pytest.mark.parametrize("name", REMOTE)
def test_a_remote_type_has_no_instances_of_its_own_and_knows_nobody(name: str) -> None:
    assert tuple(CATALOGUE.types[name].instances()) == ()
    where = {"url": "http://nothing.invalid/"} if name == "http" else {"host": "nothing.invalid"}
    outcome = run(name, "", AIMED[name](1) | where, timeout_s=20.0)
    assert outcome.state is State.ERR and outcome.status.startswith("unknown name: ")


def run(name: str, instance: str, params: dict[str, Any], timeout_s: float = 5.0) -> Outcome:
    """Run it as the collector does."""
    node = Node(name="here", private_addresses=("127.0.0.1",))
    check = Check(node="here", type=name, instance=instance, timeout=timedelta(seconds=timeout_s))

    async def main() -> Outcome:
        kind = discover("ckkit.checks").found[name]()
        threads = Threads(1, name="conformance")
        try:
            return (await measure(kind, check, node, CATALOGUE.params(name, params), threads)).outcome
        finally:
            threads.close()
            if hasattr(kind, "close"):
                await kind.close()

    return asyncio.run(main())
