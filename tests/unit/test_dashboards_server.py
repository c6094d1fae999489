"""What is said and set up before Voila starts."""

import json
import logging
import os
import socket
import subprocess
import sys

import pytest

from ckkit.config import Home, Workspace
from ckkit.dashboards.cards import Card, cards
from ckkit.dashboards.server import secret, settings, taken, worth_a_line
from ckkit.errors import Taken


def notebook(folder, name, *cells, title=""):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    made = [{"cell_type": kind, "metadata": {}, "source": text.splitlines(keepends=True)} for kind, text in cells]
    path.write_text(json.dumps({"cells": made, "metadata": {"title": title} if title else {}, "nbformat": 4}))


def test_a_port_that_is_taken_is_said_with_who_has_it():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(Taken) as found:
            taken(port)
    assert f"port {port} for the dashboards is taken by process {os.getpid()}" in found.value.message
    assert "./ck up --dashboards-port" in found.value.message


def test_the_program_ends_with_that_message(tmp_path):
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    workspace.joinpath("ckkit.toml").write_text("")
    env = {**os.environ, "CKKIT_HOME": str(tmp_path / "home"), "CKKIT_WORKSPACE": str(workspace)}
    with socket.create_server(("127.0.0.1", 0)) as server:
        asked = [sys.executable, "-m", "ckkit.dashboards", "--port", str(server.getsockname()[1])]
        done = subprocess.run(asked, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert f"is taken by process {os.getpid()}" in done.stderr and "Traceback" not in done.stderr


def test_voila_is_on_loopback_with_a_token_and_kernels_on_sockets(tmp_path):
    home, workspace = Home(tmp_path), Workspace(tmp_path / "workspace")
    notebook(workspace.voila_apps, "overview.ipynb")
    found = settings(home, workspace, 8866, cull_s=60, cull_every_s=15)
    assert (found["Voila"]["ip"], found["Voila"]["port_retries"]) == ("127.0.0.1", 0)
    assert found["Voila"]["token"] == home.token("operator")
    assert found["KernelManager"]["transport"] == "ipc"
    assert found["VoilaKernelManager"]["kernel_pools_config"] == {
        "default": {"pool_size": 0},
        "overview.ipynb": {"pool_size": 1},
    }


def test_a_login_outlasts_a_restart_and_says_nothing_of_the_token(tmp_path):
    home = Home(tmp_path)
    assert secret(home) == secret(Home(tmp_path))
    assert home.token("admin").encode() not in secret(home)


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("Notebook overview.ipynb is not trusted", False),
        ("The websocket_ping_timeout (40000) cannot be longer than the websocket_ping_interval (15000).", False),
        ("500 GET /voila/render/overview.ipynb", True),
    ],
)
def test_what_is_worth_a_line_in_the_log(line, kept):
    assert worth_a_line(logging.LogRecord("voila", logging.WARNING, "", 0, line, None, None)) is kept


def test_a_dashboard_is_a_card_with_its_title_and_purpose_the_overview_first(tmp_path):
    notebook(tmp_path, "disks.ipynb", ("markdown", "# Disks\n\nHow full they are,\n`df` for all.\n\nMore."))
    notebook(tmp_path, "overview.ipynb", ("code", "x"), ("markdown", "# Overview"))
    notebook(tmp_path, "team/no_title.ipynb", ("code", "x"))
    notebook(tmp_path, "named.ipynb", ("code", "x"), title="Named")
    notebook(tmp_path, ".ipynb_checkpoints/disks-checkpoint.ipynb")
    tmp_path.joinpath("broken.ipynb").write_text("{")
    assert cards(tmp_path) == [
        Card("overview.ipynb", "Overview", ""),
        Card("broken.ipynb", "broken.ipynb", "This notebook cannot be read."),
        Card("disks.ipynb", "Disks", "How full they are, df for all."),
        Card("named.ipynb", "Named", ""),
        Card("team/no_title.ipynb", "no title", ""),
    ]


def test_no_folder_has_no_cards(tmp_path):
    assert cards(tmp_path / "missing") == []
