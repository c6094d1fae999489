"""Ports: which are free, who has one, and what is said then."""

import os
import re
import socket

import psutil
import pytest

from ckkit.config import Config
from ckkit.errors import Taken
from ckkit.up import plan, ports
from ckkit.up.plan import Options


@pytest.fixture
def busy():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def test_who_has_a_port_is_said_with_the_way_out(busy):
    name = re.escape(psutil.Process().name())
    said = rf"port {busy} for the dashboards is taken by process {os.getpid()} \({name}\): stop it, or "
    said += r"`./ck up --dashboards-port \d+`"
    with pytest.raises(Taken, match=said):
        ports.settle({"dashboards": busy})


def test_a_port_that_is_just_closing_counts_as_free():
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            connection, _ = server.accept()
            connection.close()  # this side closes first: its port waits for a minute in TIME_WAIT
            client.recv(1)
    assert ports.is_free(port)


def test_two_parts_that_ask_for_one_port():
    with pytest.raises(Taken, match=r"asked for by hub and JupyterLab: .* --lab-port 9001"):
        ports.settle({"hub": 9000, "lab": 9000}, free=lambda port: True)


def test_zero_takes_one_that_is_free():
    settled = ports.settle({"hub": 0, "lab": 0})
    assert all(ports.is_free(port) for port in settled.values())


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        (Options(), {"hub": 8700, "lab": 8888, "dashboards": 8866}),
        (Options(hub_port=1, lab_port=2, dashboards_port=0), {"hub": 1, "lab": 2, "dashboards": 0}),
        (Options(lab=False, dashboards=False, lab_port=5), {"hub": 8700}),
    ],
)
def test_which_ports_are_wanted(options, wanted):
    assert plan.ports(Config(), options) == wanted
