"""The inventory with a real store and collector: from ckkit.toml to checks that run, and what is said when not."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ckkit.collect.runner import Collector
from ckkit.config import Workspace
from ckkit.errors import CkkitError, Invalid, NotFound
from ckkit.hub import inventory as module
from ckkit.hub.commands import checks, metrics, nodes, providers
from ckkit.hub.inventory import Inventory
from ckkit.hub.registry import Caller, Role, find, payload_of
from ckkit.model import Node, Result
from ckkit.plugins import Plugins, discover
from ckkit.store.store import Store

COMMANDS = (checks, metrics, nodes, providers)
OPERATOR = Caller(name="test", role=Role.OPERATOR)
TOML = """
[this_machine]
name = "here"

[[nodes]]
name = "web0"
address = "127.0.0.1"
tags = ["web"]   # a comment that stays
"""


class Board:
    def __init__(self) -> None:
        self.shown: dict[str, str] = {}

    def raise_(self, key: str, level: str, text: str) -> None:
        self.shown[key] = text

    def clear(self, key: str) -> None:
        self.shown.pop(key, None)


class Hub:
    """As much of the hub as the inventory and its commands use."""

    def __init__(self, folder: Path, toml: str, every: timedelta = timedelta(minutes=5)) -> None:
        (folder / "ckkit.toml").write_text(toml)
        self.workspace = Workspace(folder)
        self.notices = Board()
        self.store = Store.open(folder / "store.duckdb")
        self.collector = Collector(self._keep, self.notices)
        self.inventory = Inventory(
            workspace=self.workspace,
            store=self.store,
            collector=self.collector,
            notices=self.notices,
            every=every,
            patience_s=0.5,
        )

    def _keep(self, batch: Any, sequence: int) -> None:
        self.store.results(batch, source="collector", boot="b", sequence=sequence)

    def start(self) -> None:
        self.inventory.start(self.workspace.load())
        self.collector.start()

    def reload(self) -> None:
        self.inventory.apply(self.workspace.load())

    def stop(self) -> None:
        assert self.collector.stop() == 0
        self.inventory.stop()
        self.store.close()

    def write(self, toml: str) -> None:
        self.workspace.toml.write_text(toml)
        self.reload()

    def ask(self, name: str, **payload: Any) -> Any:
        """As the wire does it: JSON in, JSON out."""
        known = find(name)
        reply = known.run(self, payload_of(known, msgspec.json.encode(payload)), OPERATOR)  # type: ignore[arg-type]
        return msgspec.json.decode(msgspec.json.encode(reply))


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Hub]]:
    hubs: list[Hub] = []

    def make(toml: str = TOML, **more: Any) -> Hub:
        hubs.append(Hub(tmp_path, toml, **more))
        hubs[-1].start()
        return hubs[-1]

    yield make
    for hub in hubs:
        hub.stop()


def until(true: Callable[[], Any], patience_s: float = 8.0) -> None:
    end = time.monotonic() + patience_s
    while not true():
        assert time.monotonic() < end, f"not within {patience_s} s"
        time.sleep(0.02)


def test_this_machine_is_there_with_results_of_all_its_checks_within_seconds(start: Callable[..., Hub]) -> None:
    hub = start()
    assert [node.name for node in hub.inventory.nodes()] == ["here", "web0"]
    here = hub.inventory.node("here")
    assert here.node_id and here.tags == ("local",) and here.details["processors"]
    wanted = {check.check_id for check in hub.inventory.checks()}

    def stored() -> set[int]:
        return set(hub.store.query("select distinct check_id from results").column(0).to_pylist())

    until(lambda: stored() == wanted)
    (busy,) = hub.store.query("select busy_ratio, state from checks.cpu where node = 'here' limit 1").to_pylist()
    assert 0 <= busy["busy_ratio"] <= 1 and busy["state"] == "ok"


def test_the_store_knows_what_each_metric_is_before_the_first_result(start: Callable[..., Hub]) -> None:
    hub = start()
    rows = hub.store.query("select name, unit, kind, exact from metrics where type = 'network'").to_pylist()
    counters = {row["name"] for row in rows if row["kind"] == "counter"}
    assert "received_bytes_total" in counters and all(row["exact"] for row in rows if row["name"] in counters)


def test_a_check_is_added_run_and_removed_and_the_file_keeps_its_comments(start: Callable[..., Hub]) -> None:
    hub = start()
    added = hub.ask("checks.add", node="web0", type="tcp", instance="shut", params={"port": 1}, every="1h")
    assert (added["node"], added["type"], added["instance"], added["params"]) == ("web0", "tcp", "shut", {"port": 1})
    assert "# a comment that stays" in hub.workspace.toml.read_text()
    ran = hub.ask("checks.run", check="web0/tcp:shut")
    assert (ran["state"], ran["status"]) == ("err", "connection refused by 127.0.0.1:1: nothing listens there")
    row = hub.store.query("select status, state from checks.tcp where instance = 'shut'").to_pylist()[-1]
    assert row == {"status": ran["status"], "state": "err"}
    hub.ask("checks.remove", check="web0/tcp:shut")
    assert "web0/tcp:shut" not in {check.key for check in hub.inventory.checks()}
    assert hub.workspace.toml.read_text().strip() == TOML.strip()


def test_running_a_check_returns_its_values_with_their_units(start: Callable[..., Hub]) -> None:
    ran = start().ask("checks.run", check="here/memory")
    assert ran["check"] == "here/memory" and ran["state"] == "ok"
    assert ran["units"]["used_ratio"] == "ratio" and 0 < ran["values"]["used_ratio"] < 1


def test_ping_from_the_collectors_thread(start: Callable[..., Hub], needs: Callable[[str], Path]) -> None:
    needs("ping")
    hub = start(f'{TOML}[[checks]]\nnode = "web0"\ntype = "ping"\ncount = 1\nevery = "1h"\n')
    ran = hub.ask("checks.run", check="web0/ping")
    assert ran["state"] == "ok", ran
    assert ran["values"]["loss_ratio"] == 0 and ran["units"]["rtt_seconds"] == "seconds"


def test_checks_added_at_once_are_all_there(start: Callable[..., Hub]) -> None:
    hub = start()

    def add(port: int) -> None:
        hub.ask("checks.add", node="web0", type="tcp", instance=str(port), params={"port": port}, every="1h")

    threads = [threading.Thread(target=add, args=(port,)) for port in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [c["instance"] for c in hub.ask("checks.list", type="tcp")] == [str(port) for port in range(1, 9)]


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        ({"node": "web9", "type": "tcp", "params": {"port": 1}}, "there is no node 'web9': did you mean 'web0'?"),
        ({"node": "web0", "type": "tpc"}, "there is no check type 'tpc': did you mean 'tcp'?"),
        ({"node": "web0", "type": "tcp", "params": {"prot": 1}}, "no key 'prot': did you mean 'port'?"),
        ({"node": "web0", "type": "cpu"}, "cpu measures the machine that it runs on"),
        ({"node": "web0", "type": "ping", "every": "5s", "timeout": "9s"}, "is longer than `every`"),
        ({"node": "web0", "type": "ping", "every": "soon"}, "cannot read 'soon' as a duration"),
    ],
)
def test_a_check_that_cannot_be_is_not_added(start: Callable[..., Hub], payload: dict[str, Any], said: str) -> None:
    hub = start()
    before = hub.workspace.toml.read_text()
    with pytest.raises(CkkitError) as error:
        hub.ask("checks.add", **payload)
    assert said in str(error.value)
    assert hub.workspace.toml.read_text() == before
    assert hub.inventory.problems == []


def test_what_cannot_be_removed_or_run_says_why(start: Callable[..., Hub]) -> None:
    query = '[[checks]]\nnodes = "tag:web"\ntype = "tcp"\nport = 1\nevery = "1h"\n'
    passive = '[[checks]]\nnode = "web0"\ntype = "backup"\npassive = true\nevery = "1d"\n'
    hub = start(f"{TOML}{query}{passive}")
    for name, check, said in [
        ("checks.remove", "here/cpu", "this machine's own checks"),
        ("checks.remove", "web0/tcp", "comes from the query at"),
        ("checks.run", "web0/backup", "is passive"),
        ("checks.run", "web0/tpc", "there is no check 'web0/tpc': did you mean 'web0/tcp'?"),
    ]:
        with pytest.raises((Invalid, NotFound), match=said):
            hub.ask(name, check=check)


def test_a_mistake_in_the_file_is_a_notice_with_its_line_and_goes_when_it_is_mended(start: Callable[..., Hub]) -> None:
    good = f'{TOML}[[checks]]\nnode = "web0"\ntype = "tcp"\nport = 1\nevery = "1h"\n'
    hub = start(good)
    line = good.splitlines().index("port = 1") + 1
    hub.write(good.replace("port = 1", "prot = 1"))
    assert f"ckkit.toml:{line}: the check type tcp has no key 'prot'" in hub.notices.shown["inventory.checks"]
    assert hub.inventory.check("web0/tcp").params == {"port": 1}  # the old one stays in force
    assert hub.ask("checks.problems")[0]["line"] == line
    hub.write(good)
    assert "inventory.checks" not in hub.notices.shown and hub.ask("checks.problems") == []


def test_a_check_keeps_its_id_when_it_goes_and_comes_back(start: Callable[..., Hub]) -> None:
    more = f'{TOML}[[checks]]\nnode = "web0"\ntype = "tcp"\nport = 1\nevery = "1h"\n'
    hub = start(more)
    before = hub.inventory.check("web0/tcp").check_id
    hub.write(TOML)
    hub.write(more)
    assert hub.inventory.check("web0/tcp").check_id == before


def test_lists(start: Callable[..., Hub]) -> None:
    hub = start(f'{TOML}[[checks]]\nnode = "web0"\ntype = "ping"\nevery = "1h"\n')
    (web,) = hub.ask("nodes.list", query="tag:web")
    assert (web["name"], web["address"], web["checks"], web["provider"]) == ("web0", "127.0.0.1", 1, "static")
    assert [node["name"] for node in hub.ask("nodes.list", query="type:cpu")] == ["here"]
    assert [check["type"] for check in hub.ask("checks.list", query="web0")] == ["ping"]
    assert {check["node"] for check in hub.ask("checks.list", type="cpu")} == {"here"}
    types = {kind["name"]: kind for kind in hub.ask("checks.types")}
    assert types["tcp"]["params"]["port"]["required"] and not types["tcp"]["params"]["send"]["required"]
    assert {metric["type"] for metric in hub.ask("metrics.list", type="cpu")} == {"cpu"}
    assert [(p["name"], p["nodes"], p["problem"]) for p in hub.ask("providers.list")] == [("static", 2, "")]
    with pytest.raises(NotFound, match="did you mean 'cpu'"):
        hub.ask("metrics.list", type="cpuu")


def test_processes_of_this_machine_and_of_no_other(start: Callable[..., Hub]) -> None:
    hub = start()
    found = hub.ask("nodes.processes", node="here", search="python", sort="memory")
    assert found and found == sorted(found, key=lambda p: -p["memory_bytes"])
    with pytest.raises(Invalid, match="the processes of web0 cannot be seen from here"):
        hub.ask("nodes.processes", node="web0")


class Cloud:
    """A provider that does as the test says."""

    answer: Any = ()

    def __init__(self, name: str, table: Any) -> None:
        self.name = name

    def nodes(self) -> list[Node]:
        if isinstance(Cloud.answer, Exception):
            raise Cloud.answer
        if isinstance(Cloud.answer, threading.Event):
            Cloud.answer.wait(30)
        return list(Cloud.answer)


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> type[Cloud]:
    plugins = discover("ckkit.providers")
    monkeypatch.setattr(module, "discover", lambda group: Plugins({**plugins.found, "cloud": Cloud}, plugins.broken))
    Cloud.answer = (Node(name="c1"), Node(name="c2"))
    return Cloud


def names(hub: Hub) -> list[str]:
    return [node.name for node in hub.inventory.nodes()]


def test_a_cloud_that_fails_or_hangs_changes_nothing_and_is_said(start: Callable[..., Hub], cloud: type[Cloud]) -> None:
    hub = start(TOML + '[providers.fleet]\ntype = "cloud"\n', every=timedelta(seconds=0.05))
    until(lambda: names(hub) == ["c1", "c2", "here", "web0"])
    assert hub.inventory.node("c1").provider == "fleet"
    for answer, said in [
        (CkkitError("the cloud is away"), "the cloud is away. Its nodes stay as they were"),
        (KeyError("regions"), "KeyError: 'regions'"),
        (hanging := threading.Event(), "did not answer within 0.5 s"),
    ]:
        cloud.answer = answer
        until(lambda said=said: said in hub.notices.shown.get("inventory.provider.fleet", ""))
        assert names(hub) == ["c1", "c2", "here", "web0"]
        assert hub.ask("providers.list")[0]["problem"] in said or said in hub.ask("providers.list")[0]["problem"]
    hanging.set()
    cloud.answer = (Node(name="c2"), Node(name="c3"))
    until(lambda: names(hub) == ["c2", "c3", "here", "web0"])
    assert "inventory.provider.fleet" not in hub.notices.shown


def test_a_cloud_that_is_away_at_the_start_keeps_the_nodes_that_the_store_knows(
    tmp_path: Path, cloud: type[Cloud]
) -> None:
    toml = TOML + '[providers.fleet]\ntype = "cloud"\n'
    first = Hub(tmp_path, toml)
    first.start()
    until(lambda: "c1" in names(first))
    first.stop()
    cloud.answer = CkkitError("away")
    second = Hub(tmp_path, toml)
    second.start()
    until(lambda: "inventory.provider.fleet" in second.notices.shown)
    assert names(second) == ["c1", "c2", "here", "web0"]
    second.write(TOML)
    assert names(second) == ["here", "web0"]  # taken out of the file is taken out
    assert second.notices.shown == {}
    second.stop()


def test_a_provider_that_cannot_be_made_is_said_with_its_line(start: Callable[..., Hub]) -> None:
    hub = start(TOML + '[providers.fleet]\ntype = "libclod"\n[providers.dummies]\ntype = "libcloud"\ndriver = "dumy"\n')
    assert (
        "ckkit.toml:10: the provider fleet: there is no provider type 'libclod': did you mean 'libcloud'?"
        in (hub.notices.shown["inventory.provider.fleet"])
    )
    assert (
        "ckkit.toml:13: the provider dummies: libcloud has no compute driver 'dumy'"
        in (hub.notices.shown["inventory.provider.dummies"])
    )
    assert names(hub) == ["here", "web0"]


def test_the_dummy_driver_of_libcloud_from_the_file(start: Callable[..., Hub], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CK_CREDS", "x")
    hub = start(
        TOML + '[providers.fleet]\ntype = "libcloud"\ndriver = "dummy"\ncreds_env = "CK_CREDS"\ntags = ["cloud"]\n'
        '[[checks]]\nnodes = "tag:cloud"\ntype = "tcp"\nport = 1\nevery = "1h"\n'
    )
    until(lambda: names(hub) == ["dummy-1", "dummy-2", "here", "web0"])
    until(lambda: [c["node"] for c in hub.ask("checks.list", type="tcp")] == ["dummy-1", "dummy-2"])


def test_two_nodes_of_one_name_are_said(start: Callable[..., Hub], cloud: type[Cloud]) -> None:
    cloud.answer = (Node(name="web0"), Node(name="c1"))
    hub = start(TOML + '[providers.fleet]\ntype = "cloud"\n')
    until(lambda: names(hub) == ["c1", "here", "web0"])
    assert hub.inventory.node("web0").provider == "static"
    assert "the node web0 of the provider fleet is left out: static has one" in hub.notices.shown["inventory.checks"]


def test_who_follows_the_commits_may_ask_the_inventory(start: Callable[..., Hub]) -> None:
    """The writer's thread tells of a commit while `sync` waits for that commit: asking must not wait for `sync`."""
    hub = start()
    asked: list[int] = []
    hub.store.on_commit(lambda events: asked.append(len(hub.inventory.nodes()) + len(hub.inventory.checks())))
    hub.write(TOML + '[[nodes]]\nname = "web1"\n')
    until(lambda: asked)
    assert isinstance(hub.collector.run_now("here/load"), Result)
