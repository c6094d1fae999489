"""The libcloud provider: its dummy driver, and a real driver against a server on this machine."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from libcloud.compute.base import Node as CloudNode
from libcloud.compute.types import NodeState

from ckkit.collect.providers.libcloud import Libcloud, mapped
from ckkit.errors import CkkitError, ConfigError, Refused

DUMMY = {"driver": "dummy", "creds_env": "CK_CREDS"}


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CK_CREDS", "s3cret-value")


def instance(number: int, label: str, status: str = "active", **more: Any) -> dict[str, Any]:
    """One entry of the API's answer, with the keys that the driver reads."""
    known = {"id": f"id-{number}", "label": label, "status": status, "power_status": "running", "plan": "vc2-1c-1gb"}
    addresses = {"main_ip": f"203.0.113.{number}", "internal_ip": f"10.0.0.{number}", "v6_main_ip": ""}
    words = dict.fromkeys(
        ["netmask_v4", "gateway_v4", "v6_network", "image_id", "server_status", "firewall_group_id"], ""
    )
    numbers = dict.fromkeys(["v6_network_size", "app_id", "os_id", "vcpu_count", "allowed_bandwidth", "disk"], 1)
    facts = {"region": "fra", "ram": 1024, "features": ["ipv6"], "tag": "two words", "os": "Debian 12"}
    return known | addresses | words | numbers | facts | {"date_created": "2026-01-01T00:00:00+00:00"} | more


INSTANCES = (instance(7, "web 7"), instance(8, "db8", "pending"))


def listed(*instances: dict[str, Any]) -> dict[str, Any]:
    return {"instances": list(instances), "meta": {"links": {"next": ""}}}


@pytest.fixture
def cloud() -> Iterator[Callable[..., dict[str, Any]]]:
    """Serve an answer where the Vultr driver asks for instances; gives the provider's table."""
    servers = []

    def serve(status: int, body: Any) -> dict[str, Any]:
        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                other = {"bare_metals": [], "meta": {"links": {"next": ""}}}
                self.wfile.write(json.dumps(body if "instances" in self.path else other).encode())

            def log_message(self, format: str, *args: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        port = server.server_address[1]
        where = {"host": "127.0.0.1", "port": port, "secure": False}
        return {"driver": "vultr", "key_env": "CK_CREDS", **where}

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def test_the_dummy_driver() -> None:
    one, two = Libcloud("fleet", DUMMY | {"tags": ["cloud"]}).nodes()
    assert (one.name, two.name) == ("dummy-1", "dummy-2")
    assert (one.state, one.tags, one.public_addresses) == ("running", ("cloud",), ("127.0.0.1",))
    assert one.details == {"id": "1", "foo": "bar"}


def test_a_real_driver(cloud: Callable[..., dict[str, Any]]) -> None:
    nodes = {node.name: node for node in Libcloud("fleet", cloud(200, listed(*INSTANCES))).nodes()}
    assert list(nodes) == ["db8", "web-7"]  # by name, without blanks
    assert (nodes["web-7"].state, nodes["db8"].state) == ("running", "pending")
    web = nodes["web-7"]
    assert (web.public_addresses, web.private_addresses) == (("203.0.113.7",), ("10.0.0.7",))
    assert web.address == "10.0.0.7"
    assert web.tags == ("two-words",)
    assert (web.details["id"], web.details["ram"], web.details["size"]) == ("id-7", "1024", "vc2-1c-1gb")
    assert web.details["features"] == '["ipv6"]'


def test_what_drivers_call_a_tag_and_what_has_ended() -> None:
    def node(number: int, state: NodeState, extra: dict[str, Any] | None) -> CloudNode:
        return CloudNode(
            id=number, name=f"n{number}", state=state, public_ips=None, private_ips=[], driver=None, extra=extra
        )

    found = mapped(
        [
            node(1, NodeState.RUNNING, {"tags": {"Name": "n1", "env": "prod", "web": ""}}),  # EC2
            node(2, NodeState.STOPPED, {"labels": {"team": "a b"}, "password": "s3cret-value"}),  # Google
            node(3, NodeState.TERMINATED, {}),
            node(4, NodeState.UNKNOWN, None),
        ],
        "fleet",
        ["cloud"],
    )
    assert [(n.name, n.state, n.tags) for n in found] == [
        ("n1", "running", ("cloud", "env=prod", "web")),
        ("n2", "stopped", ("cloud", "team=a-b")),
        ("n4", "unknown", ("cloud",)),
    ]
    assert "s3cret-value" not in repr(found)


def test_twins_carry_their_ids(cloud: Callable[..., dict[str, Any]]) -> None:
    table = cloud(200, listed(instance(1, "web"), instance(2, "web"), instance(3, "db")))
    assert [node.name for node in Libcloud("fleet", table).nodes()] == ["db", "web-id-1", "web-id-2"]


def test_credentials_that_are_not_taken(cloud: Callable[..., dict[str, Any]]) -> None:
    with pytest.raises(Refused, match=r"the provider fleet \(vultr\) does not take the credentials.*key_env"):
        Libcloud("fleet", cloud(401, {"id": "unauthorized", "message": "no"})).nodes()


def test_a_cloud_that_answers_nonsense_or_not_at_all(cloud: Callable[..., dict[str, Any]]) -> None:
    for table in (cloud(500, {"message": "s3cret-value is wrong"}), cloud(200, {"unexpected": []})):
        with pytest.raises(CkkitError, match=r"the provider fleet \(vultr\) cannot list its nodes") as error:
            Libcloud("fleet", table).nodes()
        assert "s3cret-value" not in str(error.value)
    away = {"driver": "vultr", "key_env": "CK_CREDS", "host": "127.0.0.1", "port": 1, "secure": False}
    with pytest.raises(CkkitError, match=r"cannot list its nodes: .*refused"):
        Libcloud("fleet", away).nodes()


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({}, "no compute driver None"),
        ({"driver": "dumy"}, "no compute driver 'dumy': did you mean 'dummy'?"),
        ({"driver": "dummy", "creds": "s3cret-value"}, "`creds` holds a credential: write creds_env"),
        ({"driver": "ec2", "secret": "s3cret-value"}, "`secret` holds a credential"),
        ({"driver": "dummy", "cred_env": "X"}, "no argument 'cred': did you mean 'creds'?"),
        ({"driver": "dummy", "creds_env": "X", "tags": "web"}, "`tags` is 'web': write a list of texts"),
    ],
)
def test_a_wrong_table(table: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as error:
        Libcloud("fleet", table)
    assert said in str(error.value)
    assert "s3cret-value" not in str(error.value)


def test_credentials_that_are_not_there(tmp_path: Path) -> None:
    for table, said in [
        ({"creds_env": "CK_NOT_SET"}, "the environment variable CK_NOT_SET is empty or not set"),
        ({"creds_file": str(tmp_path / "none")}, "cannot be read (No such file or directory)"),
    ]:
        with pytest.raises(ConfigError) as error:
            Libcloud("fleet", {"driver": "dummy", **table}).nodes()
        assert said in str(error.value)
