"""The commands of monitors, alerts, silences, addresses and notifications, asked of a hub as anybody asks it."""

from contextlib import closing
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from ckkit.errors import ConfigError, Invalid, NotFound, QueryError, Refused
from ckkit.wire import HttpWire

TOML = """
[hub]
port = 0
evaluate_every = "1h"   # nobody but the test judges

[this_machine]
enabled = false

[[nodes]]
name = "web0"
tags = ["web"]

[[nodes]]
name = "db0"
tags = ["db"]

[[checks]]
nodes = "*"
type = "disk"
instance = "/"
passive = true

[addresses.kept]
kind = "memory"
url = "memory://secret-token"

[addresses.broken]
url_env = "CKKIT_TEST_NOT_SET"

[[routes]]
to = ["kept"]
"""
MONITORS = """
[disk_full]
check = "disk"
critical = "used_ratio > 0.9"

[forecast]
check = "disk"
nodes = "tag:db"
reported = true

[misspelt]
check = "dsik"
"""


@pytest.fixture
def running(start_hub):
    hub = start_hub(toml=TOML, wait=False)
    (hub.workspace.monitors / "a.toml").write_text(MONITORS)
    return hub.start()


def hour():
    return datetime.now(UTC).replace(minute=0, second=0, microsecond=0)


def put(wire, values):
    """Give each node a result of its disk shortly before the slot."""
    checks = {check["node"]: check["check_id"] for check in wire.command("checks.list")}
    at = (hour() - timedelta(seconds=5)).replace(tzinfo=None)
    table = pa.table(
        {
            "ts": pa.array([at] * len(values), pa.timestamp("ms")),
            "check_id": pa.array([checks[node] for node in values], pa.uint32()),
            "state": pa.array([0] * len(values), pa.uint8()),
            "took": pa.array([0.1] * len(values), pa.float32()),
            "status": pa.array(["fine"] * len(values), pa.string()),
            "used_ratio": pa.array(list(values.values()), pa.float64()),
        }
    ).replace_schema_metadata({"type": "disk"})
    wire.append("results", table, source="test", boot="1", sequence=1)


def test_judging_reporting_and_listing(running):
    wire = running.wire
    assert [(m["name"], m["version"], m["problems"]) for m in wire.command("monitors.list")] == [
        ("disk_full", 1, []),
        ("forecast", 1, []),
    ]
    (problem,) = wire.command("monitors.problems")
    assert (problem["file"], problem["line"], problem["monitor"]) == ("a.toml", 12, "misspelt")
    assert "did you mean 'disk'?" in problem["message"]

    put(wire, {"web0": 0.95, "db0": 0.5})
    done = wire.command("monitors.evaluate", {"by": "a test", "run_id": "r1"})
    assert (done["by"], done["monitors"], done["instances"], done["repeated"]) == ("a test", 2, 2, False)
    assert [(a["node"], a["status"], a["value"]) for a in done["alerts"]] == [("web0", "firing", 0.95)]
    assert [(d["address"], d["reason"]) for d in done["decisions"]] == [("kept", "first")]
    again = wire.command("monitors.evaluate", {"slot": done["slot"]})
    assert (again["repeated"], again["by"]) == (True, "a test")
    slots = wire.read("select evaluated_by, run_id from slots where grp = 'all'").to_pylist()
    assert slots == [{"evaluated_by": "a test", "run_id": "r1"}]

    found = {"node": "db0", "check": "disk:/", "level": "warn", "value": 20.0, "text": "full in 20 h"}
    reported = wire.command("monitors.report", {"monitor": "forecast", "levels": [found]})
    assert [(a["node"], a["level"], a["text"]) for a in reported["alerts"]] == [("db0", "warn", "full in 20 h")]
    with pytest.raises(NotFound, match="did you mean 'db0/disk:/'"):
        wire.command("monitors.report", {"monitor": "forecast", "levels": [{**found, "node": "bd0"}], "slot": None})
    with pytest.raises(Invalid, match="level"):
        wire.command("monitors.report", {"monitor": "forecast", "levels": [{**found, "level": "awful"}]})

    def listed(**ask):
        return [(a["monitor"], a["node"], a["status"]) for a in wire.command("alerts.list", ask)]

    assert listed(status="firing") == [("disk_full", "web0", "firing"), ("forecast", "db0", "firing")]
    assert listed(query="tag:db") == [("forecast", "db0", "firing"), ("disk_full", "db0", "ok")]
    assert listed(query="has:critical") == [("disk_full", "web0", "firing")]
    assert listed(status="ok") == [("disk_full", "db0", "ok")]
    with pytest.raises(QueryError):
        listed(query="tga:db")


def test_silences_addresses_notifications_and_who_may(running):
    wire = running.wire
    assert wire.command("addresses.list") == [
        {"name": "broken", "kind": "apprise", "problem": wire.command("addresses.list")[0]["problem"]},
        {"name": "kept", "kind": "memory", "problem": ""},
    ]
    assert wire.command("addresses.test", {"name": "kept"}) == {"name": "kept", "answer": "kept"}
    with pytest.raises(ConfigError, match="CKKIT_TEST_NOT_SET"):
        wire.command("addresses.test", {"name": "broken"})
    with pytest.raises(NotFound, match="did you mean 'kept'"):
        wire.command("addresses.test", {"name": "ketp"})
    (sent,) = wire.command("notifications.list")
    assert (sent["address"], sent["kind"], sent["outcome"], sent["answer"]) == ("kept", "test", "delivered", "kept")
    assert wire.command("notifications.list", {"since": (datetime.now(UTC) + timedelta(hours=1)).isoformat()}) == []

    made = wire.command("silences.add", {"nodes": "tag:web", "lasts": "2h", "comment": "new disks"})
    assert (made["nodes"], made["monitor"], made["comment"]) == ("tag:web", "*", "new disks")
    assert datetime.fromisoformat(made["ends"]) - datetime.fromisoformat(made["starts"]) == timedelta(hours=2)
    assert wire.command("silences.list") == [made]
    over = wire.command("silences.expire", {"silence_id": made["silence_id"]})
    assert wire.command("silences.list") == []
    assert wire.command("silences.list", {"all": True}) == [over]
    for ask, said in (
        ({"lasts": "2h", "comment": " "}, "comment"),
        ({"comment": "x"}, "`ends`"),
        ({"lasts": "2h", "ends": "2030-01-01T00:00:00Z", "comment": "x"}, "`ends`"),
        ({"ends": "2020-01-01T00:00:00Z", "comment": "x"}, "must end after it starts"),
        ({"ends": "2030-01-01T00:00:00", "comment": "x"}, "has no zone"),
        ({"lasts": "2 parsecs", "comment": "x"}, "as a duration"),
        ({"lasts": "2h", "comment": "x", "nodes": "tga:x"}, "did you mean tag"),
    ):
        with pytest.raises(Invalid, match=said):
            wire.command("silences.add", ask)

    with closing(HttpWire(url=running.url, token=running.home.token("viewer"))) as viewer:
        assert viewer.command("alerts.list") is not None
        for command, ask in (
            ("monitors.evaluate", {}),
            ("monitors.report", {"monitor": "forecast", "levels": []}),
            ("silences.add", {"lasts": "2h", "comment": "x"}),
            ("silences.expire", {"silence_id": 1}),
            ("addresses.test", {"name": "kept"}),
        ):
            with pytest.raises(Refused):
                viewer.command(command, ask)
    everything = wire.read(
        "select string_agg(payload, ' ') || (select string_agg(answer, ' ') from notifications) as t from events"
    )
    assert "secret-token" not in str(everything.to_pylist()) + running.log()
