"""Accidents of the hub and of its clients: killed, too slow, twice, in the wrong place."""

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pytest

from ckkit.errors import Cancelled, CkkitError, HubUnreachable, SqlError, TimedOut
from ckkit.wire import HttpWire
from ckkit.wire.endpoint import UnixConnection
from ckkit.wire.request import Ask, pack

LONG = "select count(*) as n from range(1000000000000) a where a.range % 7 = 3"
TOML = """
[hub]
port = 0
read_limit = "1s"
[this_machine]
enabled = false
[[nodes]]
name = "web0"
[[checks]]
node = "web0"
type = "cpu"
passive = true
"""


def until(true: Callable[[], Any], patience_s: float) -> float:
    """Wait until it is so, and return how long that took."""
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < patience_s, "it did not happen in time"
        time.sleep(0.01)
    return time.monotonic() - began


def running(wire: HttpWire) -> int:
    return int(wire.command("hub.status")["reads_running"])


def batch(wire: HttpWire, rows: int = 1) -> pa.Table:
    """Results of web0/cpu, of now."""
    check_id = next(check["check_id"] for check in wire.command("checks.list") if check["node"] == "web0")
    now = datetime.now(UTC).replace(tzinfo=None)
    columns = {
        "ts": pa.array([now] * rows, pa.timestamp("ms")),
        "check_id": pa.array([check_id] * rows, pa.uint32()),
        "state": pa.array([0] * rows, pa.uint8()),
        "took": pa.array([0.01] * rows, pa.float32()),
        "status": ["x"] * rows,
        "busy_ratio": [0.5] * rows,
    }
    return pa.table(columns).replace_schema_metadata({"type": "cpu"})


def count(wire: HttpWire) -> int:
    return int(wire.read("select count(*) as n from results")["n"][0].as_py())


# -- clients ---------------------------------------------------------------------------------------------------------


def client(hub: Any, code: str) -> "subprocess.Popen[str]":
    """A process that runs this code with a `wire`."""
    text = (
        f"from ckkit.config import Home\nfrom ckkit.wire import HttpWire\nwire = HttpWire.connect(Home.find())\n{code}"
    )
    return subprocess.Popen([sys.executable, "-c", text], env=hub.env, stdout=subprocess.PIPE, text=True)


def test_the_query_of_a_client_that_was_killed_ends_within_a_second(hub: Any) -> None:
    victim = client(hub, f"wire.read({LONG!r})")
    until(lambda: running(hub.wire) == 1, 20)
    victim.kill()
    took = until(lambda: running(hub.wire) == 0, 5)
    victim.wait(5)
    victim.stdout.close()  # type: ignore[union-attr]
    assert took < 1.0
    assert hub.wire.command("notices.list") == []
    assert 'ckkit_reads_cancelled_total{why="gone"} 1' in hub.wire.text("/metrics")


def test_ctrl_c_ends_the_query_and_the_wire_still_works(hub: Any) -> None:
    code = textwrap.dedent(f"""
        import time
        try:
            print("ready", flush=True)
            wire.read({LONG!r})
        except KeyboardInterrupt:
            began = time.monotonic()
            found = wire.read("select 7 as n")["n"].to_pylist()
            print(found, time.monotonic() - began < 1.0, flush=True)
    """)
    process = client(hub, code)
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    until(lambda: running(hub.wire) == 1, 20)
    process.send_signal(signal.SIGINT)
    assert until(lambda: running(hub.wire) == 0, 5) < 1.0
    output, _ = process.communicate(timeout=10)
    assert output == "[7] True\n"


def test_a_client_that_dies_while_it_takes_rows(hub: Any) -> None:
    """More rows than the connection holds: the hub waits for a reader that will never read."""
    with closing(UnixConnection(hub.home.part("hub")["socket"], 20)) as connection:
        body = pack(Ask("select range as n, repeat('x', 200) as text from range(20000000)"))
        connection.request("POST", "/v1/read", body)
        answer = connection.getresponse()
        assert len(answer.read(1000)) == 1000
        assert running(hub.wire) == 1
        answer.close()
    assert until(lambda: running(hub.wire) == 0, 5) < 1.0
    assert hub.wire.read("select 1 as n")["n"].to_pylist() == [1]


def test_a_client_that_dies_half_way_through_an_append_adds_nothing(hub: Any) -> None:
    wire = hub.wire
    data = batch(wire, 5000)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, data.schema) as writer:
        writer.write(data)
    body = sink.getvalue().to_pybytes()
    with closing(UnixConnection(hub.home.part("hub")["socket"], 20)) as connection:
        connection.putrequest("PUT", "/v1/append/results?source=half&boot=b&sequence=1")
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body[: len(body) // 2])
    time.sleep(0.3)
    assert count(wire) == 0
    assert wire.append("results", data, source="half", boot="b", sequence=1).rows == 5000
    assert hub.errors() == []


def test_a_wire_works_after_a_fork(hub: Any) -> None:
    code = textwrap.dedent("""
        import os
        wire.read("select 1")
        child = os.fork()
        n = 2 if child else 3
        assert wire.read("select $n as n", {"n": n})["n"].to_pylist() == [n]
        if not child:
            os._exit(5)
        _, status = os.waitpid(child, 0)
        assert wire.read("select 4 as n")["n"].to_pylist() == [4]
        print(os.waitstatus_to_exitcode(status))
    """)
    output, _ = client(hub, code).communicate(timeout=30)
    assert output == "5\n"


def test_many_long_queries_do_not_hold_commands_up(start_hub: Any) -> None:
    hub = start_hub(toml=TOML.replace('"1s"', '"4s"'))
    ended: list[str] = []

    def read() -> None:
        try:
            hub.wire.read(LONG)
        except TimedOut as error:
            ended.append(error.code)

    hub.wire.command("notices.list")
    threads = [threading.Thread(target=read) for _ in range(20)]
    for thread in threads:
        thread.start()
    until(lambda: running(hub.wire) == 20, 20)
    began = time.monotonic()
    hub.wire.command("notices.list")
    took = time.monotonic() - began
    for thread in threads:
        thread.join(30)
    assert (took < 1.5, ended) == (True, ["timeout"] * 20)


# -- limits ----------------------------------------------------------------------------------------------------------


def test_a_query_that_takes_too_long_is_cancelled(start_hub: Any) -> None:
    hub = start_hub(toml=TOML)
    began = time.monotonic()
    with pytest.raises(TimedOut, match=r"longer than 1 s and was cancelled.*read_limit"):
        hub.wire.read(LONG)
    assert 0.9 < time.monotonic() - began < 2.5
    assert running(hub.wire) == 0
    assert hub.wire.read("select 1 as n")["n"].to_pylist() == [1]


def test_patience_cannot_be_longer_than_the_limit(start_hub: Any) -> None:
    hub = start_hub(toml=TOML)
    with pytest.raises(TimedOut, match="longer than 1 s"):
        hub.wire.read(LONG, patience_s=60)


def test_a_slow_taker_is_cancelled_too(start_hub: Any) -> None:
    hub = start_hub(toml=TOML)
    with closing(UnixConnection(hub.home.part("hub")["socket"], 20)) as connection:
        connection.request(
            "POST", "/v1/read", pack(Ask("select range as n, repeat('x', 200) as t from range(20000000)"))
        )
        answer = connection.getresponse()
        time.sleep(1.5)
        reader = pa.ipc.open_stream(pa.PythonFile(answer, "r"))
        told = None
        while told is None:
            _, told = reader.read_next_batch_with_custom_metadata()
    assert "longer than 1 s" in json.loads(told["error"])["message"]
    assert running(hub.wire) == 0


def test_a_client_that_never_reads_events_harms_nobody(hub: Any) -> None:
    wire = hub.wire
    with closing(UnixConnection(hub.home.part("hub")["socket"], 20)) as deaf:
        deaf.request("GET", "/v1/watch?topics=*")
        data = batch(wire)
        began = time.monotonic()
        for sequence in range(1, 300):
            wire.append("results", data, source="many", boot="b", sequence=sequence)
        assert time.monotonic() - began < 20
        assert wire.command("hub.status")["watchers"] == 1
    until(lambda: wire.command("hub.status")["watchers"] == 0, 5)


# -- tokens and places -----------------------------------------------------------------------------------------------


def test_a_wrong_token_is_refused_and_counted(hub: Any) -> None:
    for token in ("", "hunter2", "hunter2" * 2_000):
        with closing(HTTPConnection("127.0.0.1", int(hub.url.rsplit(":", 1)[1]), timeout=10)) as connection:
            connection.request("POST", "/v1/read", b"", {"Authorization": f"Bearer {token}"} if token else {})
            answer = connection.getresponse()
            assert answer.status in (401, 400)  # a header may be too long to be read at all
            answer.read()
    assert "\nckkit_refused_total " in hub.wire.text("/metrics")
    assert "hunter2" not in hub.log()


def test_a_second_hub_on_one_home_refuses_and_names_the_first(hub: Any, start_hub: Any) -> None:
    second = start_hub(folder=hub.folder, wait=False)
    second.env = hub.env
    process = second.spawn()
    assert process.wait(30) == 1
    assert f"is open in process {hub.process.pid}" in hub.log()
    assert "ckkit down" in hub.log()
    assert hub.home.part("hub")["pid"] == hub.process.pid
    assert hub.wire.read("select 1 as n")["n"].to_pylist() == [1]
    assert Path(hub.home.part("hub")["socket"]).is_socket()


def test_many_hubs_at_once_start_one(start_hub: Any) -> None:
    first = start_hub(wait=False)
    processes = [first.spawn() for _ in range(4)]
    until(lambda: first.home.part("hub"), 60)
    until(lambda: sum(process.poll() is None for process in processes) == 1, 60)
    (alive,) = [process for process in processes if process.poll() is None]
    first.process = alive
    assert first.home.part("hub")["pid"] == alive.pid
    assert first.wire.read("select 1 as n")["n"].to_pylist() == [1]
    assert [process.returncode for process in processes if process is not alive] == [1, 1, 1]


def test_a_port_that_is_taken_names_the_process(start_hub: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        hub = start_hub(arguments=("--port", str(port)), wait=False)
        assert hub.spawn().wait(60) == 1
    assert f"port {port} for the hub is taken by process {os.getpid()} (" in hub.log()
    assert "ckkit.toml" in hub.log()
    assert hub.home.part("hub") is None
    assert not any(hub.runtime.rglob("*.sock"))


def test_a_home_with_a_long_path_works(start_hub: Any, tmp_path: Path) -> None:
    hub = start_hub(folder=tmp_path / ("long" * 30) / "deep", env={"XDG_RUNTIME_DIR": str(tmp_path / ("x" * 120))})
    assert len(str(hub.home.path)) > 107
    assert hub.wire.read("select 1 as n")["n"].to_pylist() == [1]
    assert len(hub.home.part("hub")["socket"]) <= 107


def test_a_home_that_cannot_be_written_says_so(start_hub: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    hub = start_hub(env={"CKKIT_HOME": str(tmp_path / "file" / "home")}, wait=False)
    assert hub.spawn().wait(60) == 1
    assert f"the home {tmp_path / 'file' / 'home'} cannot be written" in hub.log()
    assert "CKKIT_HOME" in hub.log() and "Traceback" not in hub.log()


def test_a_bad_configuration_at_the_start_says_where(start_hub: Any) -> None:
    hub = start_hub(toml="[hub]\nprot = 1\n", wait=False)
    assert hub.spawn().wait(60) == 1
    assert "ckkit.toml:2" in hub.log() and "port" in hub.log() and "Traceback" not in hub.log()


# -- crashes ---------------------------------------------------------------------------------------------------------


def test_kill_9_loses_nothing_that_was_acknowledged_and_counts_nothing_twice(hub: Any) -> None:
    wire = hub.wire
    data = batch(wire)
    acknowledged: list[int] = []
    unknown: list[int] = []

    def append() -> None:
        for sequence in range(1, 10_000):
            try:
                wire.append("results", data, source="chaos", boot="b", sequence=sequence)
            except (HubUnreachable, CkkitError):
                unknown.append(sequence)
                return
            acknowledged.append(sequence)

    thread = threading.Thread(target=append)
    thread.start()
    until(lambda: len(acknowledged) > 50, 30)
    hub.kill()
    thread.join(30)
    hub.start()
    stored = count(wire)
    assert len(acknowledged) <= stored <= len(acknowledged) + 1
    again = wire.append("results", data, source="chaos", boot="b", sequence=unknown[0])
    assert again.new is (stored == len(acknowledged))
    assert wire.append("results", data, source="chaos", boot="b", sequence=acknowledged[-1]).new is False
    assert count(wire) == len(acknowledged) + 1


def test_a_command_that_the_last_hub_may_have_done_is_not_done_again(hub: Any) -> None:
    wire = hub.wire
    wire.command("hub.reload")
    hub.kill()
    hub.start()
    sent = {"Ckkit-Id": "the-first", "Ckkit-Again": wire._boot}
    with pytest.raises(HubUnreachable, match="whether it was done is not known"):
        wire._call("POST", "/v1/command/hub.reload", b"{}", lambda answer: answer.read(), 20.0, sent)
    assert wire.command("hub.reload") == {"nodes": 2, "checks": 3}


def test_a_command_that_is_sent_twice_is_done_once(hub: Any) -> None:
    wire = hub.wire
    ask = b'{"node":"web0","type":"http","instance":"twice","params":{"url":"http://127.0.0.1:9/"}}'
    sent = {"Ckkit-Id": "one-and-the-same"}
    found = [
        wire._call("POST", "/v1/command/checks.add", ask, lambda answer: answer.read(), 20.0, sent) for _ in range(2)
    ]
    assert found[0] == found[1]
    assert len(wire.read("select * from audit where command = 'checks.add'")) == 1


def test_the_end_of_the_hub_ends_running_queries_with_a_reason(hub: Any) -> None:
    ended: list[CkkitError] = []

    def read() -> None:
        try:
            hub.wire.read(LONG)
        except CkkitError as error:
            ended.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    with closing(hub.connect()) as other:
        until(lambda: running(other) == 1, 20)
    began = time.monotonic()
    assert hub.stop() == 0
    thread.join(20)
    assert time.monotonic() - began < 8
    assert isinstance(ended[0], Cancelled | HubUnreachable)
    assert hub.errors() == []


@pytest.mark.parametrize("sql", ["select range(2000000000) as a", "select repeat('x', 2000000000) as a"])
def test_a_value_as_large_as_the_machine_fails_alone(hub: Any, sql: str) -> None:
    with pytest.raises(SqlError, match="more memory than queries have"):
        hub.wire.read(sql)
    assert hub.wire.read("select 1 as n")["n"].to_pylist() == [1]
    assert psutil.Process(hub.process.pid).memory_info().rss < 2 << 30


def test_a_token_that_is_no_text_is_refused_and_not_a_fault(hub: Any) -> None:
    with closing(socket.create_connection(("127.0.0.1", int(hub.url.rpartition(":")[2])), 10)) as connection:
        connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \xe9\xff\r\n\r\n")
        assert connection.recv(64).startswith(b"HTTP/1.1 401")
    assert hub.errors() == []
