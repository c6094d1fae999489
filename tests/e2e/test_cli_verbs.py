"""Every noun and verb against a hub that runs: what is printed, the JSON, the codes."""

import json
import os
import subprocess
import sys
import time

import pytest

from ckkit import cli
from ckkit.home import Home
from ckkit.up import ports

TOML = """
[hub]
port = 0
[this_machine]
name = "here"
[collect]
every = "1s"
timeout = "1s"
[[nodes]]
name = "web0"
address = "127.0.0.1"
tags = ["web"]
[addresses.oncall]
kind = "webhook"
url = "http://127.0.0.1:9/not-there?token=hunter2"
"""
MONITOR = """
[busy]
nodes = "*"
check = "cpu"
critical = "busy_ratio >= 0"
"""


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """A hub of its own, with a node, an address that nobody hears, and a monitor that fires at once."""
    folder = tmp_path_factory.mktemp("cli")
    ops = folder / "ops"
    assert cli.main(["init", str(ops)]) == 0
    (ops / "ckkit.toml").write_text(TOML)
    (ops / "monitors" / "busy.toml").write_text(MONITOR)
    env = {"CKKIT_HOME": str(folder / "home"), "CKKIT_WORKSPACE": str(ops)}
    home = Home.find(env)
    with pytest.MonkeyPatch.context() as patch, (folder / "log").open("w") as log:
        for key, value in env.items():
            patch.setenv(key, value)
        with subprocess.Popen([sys.executable, "-P", "-m", "ckkit.hub"], stdout=log, stderr=log) as process:
            try:
                end = time.monotonic() + 60
                while home.part("hub") is None:
                    assert process.poll() is None, (folder / "log").read_text()
                    assert time.monotonic() < end
                    time.sleep(0.05)
                yield home
            finally:
                process.terminate()


@pytest.fixture
def ckkit(hub, capsys):
    """Run a command; returns its code and what it printed."""
    capsys.readouterr()

    def run(*words):
        code = cli.main(words)
        heard = capsys.readouterr()
        assert "Traceback" not in heard.err
        return code, heard.out + heard.err

    return run


def until(question, patience_s=30.0):
    end = time.monotonic() + patience_s
    while not (answer := question()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.1)
    return answer


@pytest.mark.parametrize("noun", sorted(cli.NOUNS))
def test_a_noun_alone_lists_as_a_table_and_as_json(ckkit, noun):
    code, out = ckkit(noun)
    assert code in (0, 1), out
    assert out.strip()
    code, out = ckkit(noun, "--json")
    assert code in (0, 1)
    assert isinstance(json.loads(out), list)


def test_nodes(ckkit):
    assert ckkit("nodes", "list", "tag:web")[1].splitlines()[-1].split()[0] == "web0"
    assert json.loads(ckkit("nodes", "list", "tag:web", "--json")[1])[0]["name"] == "web0"
    code, out = ckkit("nodes", "show", "web0")
    assert (code, out.splitlines()[0].split()) == (0, ["name", "web0"])
    assert str(os.getpid()) in ckkit("nodes", "processes", "here", "--limit", "1000")[1]
    code, out = ckkit("nodes", "show", "web1")
    assert code == 2
    assert "did you mean web0" in out
    code, out = ckkit("nodes", "list", "tag=web and")
    assert code == 2


def test_a_check_is_added_run_and_removed(ckkit, hub):
    port = hub.part("hub")["url"].rpartition(":")[2]
    code, out = ckkit("checks", "add", "web0", "tcp", "--instance", "hub", f"port={port}", "every=10s", "--run")
    assert code == 0, out
    assert "connect_seconds" in out
    code, out = ckkit("checks", "list", "node:web0", "--json")
    assert [(c["type"], c["instance"]) for c in json.loads(out)] == [("tcp", "hub")]
    assert ckkit("checks", "run", "web0/tcp:hub")[0] == 0
    assert ckkit("checks", "remove", "web0/tcp:hub")[0] == 0
    assert ckkit("checks", "run", "web0/tcp:hub")[0] == 2


def test_a_check_that_fails_is_code_1_and_says_why(ckkit):
    code, out = ckkit("checks", "add", "web0", "tcp", f"port={ports.any_free()}", "--run")
    assert code == 1
    assert "refused" in out
    assert ckkit("checks", "remove", "web0/tcp")[0] == 0


def test_a_wrong_parameter_is_told(ckkit):
    code, out = ckkit("checks", "add", "web0", "tcp", "prot=1")
    assert code == 2
    assert "prot" in out


def test_check_types(ckkit):
    assert "takes port (needed)" in ckkit("checks", "types")[1]
    assert "connect_seconds" in ckkit("checks", "types", "tcp")[1]
    assert ckkit("checks", "types", "udp")[0] == 2
    assert "cpu.busy_ratio" in ckkit("metrics", "list", "--type", "cpu")[1]


def test_a_firing_alert_is_code_1_with_its_evidence(ckkit):
    until(lambda: json.loads(ckkit("sql", "select 1 as one from results limit 1", "--json")[1]))
    until(lambda: ckkit("monitors", "evaluate")[0] == 0 and ckkit("alerts")[0] == 1)
    code, out = ckkit("alerts", "list", "--nodes", "node:here")
    assert code == 1
    assert "busy_ratio >= 0" in out
    assert ckkit("alerts", "list", "--nodes", "node:web0")[0] == 0
    assert "busy" in ckkit("alerts", "transitions")[1]
    assert ckkit("monitors", "show", "busy")[1].splitlines()[0].split() == ["name", "busy"]
    assert ckkit("monitors", "problems")[0] == 0


def test_silences(ckkit):
    code, out = ckkit("silences", "add", "tag:web", "--lasts", "2h", "--comment", "new disks", "--json")
    assert code == 0, out
    number = str(json.loads(out)[0]["silence_id"])
    assert "new disks" in ckkit("silences")[1]
    assert ckkit("silences", "expire", number)[0] == 0
    assert "new disks" not in ckkit("silences")[1]
    assert "new disks" in ckkit("silences", "list", "--all")[1]


def test_an_address_that_nobody_hears_is_told_without_its_url(ckkit):
    assert "oncall" in ckkit("addresses")[1]
    code, out = ckkit("addresses", "test", "oncall")
    assert code == 2
    assert "hunter2" not in out


def test_jobs(ckkit):
    until(lambda: ckkit("jobs")[0] == 0)
    code, out = ckkit("jobs", "run", "no_such_job")
    assert code == 2
    assert "no_such_job" in out


def test_events_are_listed_and_watched(ckkit, hub):
    assert "checks" in ckkit("events", "list", "--topic", "checks")[1]
    command = [sys.executable, "-P", "-m", "ckkit.cli", "events", "watch", "results"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watching:
        line = watching.stdout.readline()
        watching.terminate()
        watching.stdout.read()
    assert line.split()[2] == "results"


def test_sql_takes_values_and_standard_input(ckkit, monkeypatch):
    import io

    code, out = ckkit("sql", "select $a::integer + 1 as b", "a=41", "--json")
    assert (code, json.loads(out)) == (0, [{"b": 42}])
    monkeypatch.setattr(sys, "stdin", io.StringIO("select 'x' as y"))
    assert "x" in ckkit("sql", "-")[1]
    assert ckkit("sql", "drop table results")[0] == 2
