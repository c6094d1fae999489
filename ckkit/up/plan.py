"""
What `ckkit up` starts: the parts, in order, each with its command, its probe and its address.

The command line makes the plan and writes it into the home; the supervisor reads it. It holds no secret.
"""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ckkit.home import Home, replace_file

if TYPE_CHECKING:
    from ckkit.config import Config, Workspace

TOUR = "notebooks/00_tour.ipynb"
TITLES = {"hub": "hub", "runner": "runner", "lab": "JupyterLab", "dashboards": "dashboards"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """
    One process that `up` keeps running.

    `probe` says how its health is seen: see `ckkit.up.probes`. `after` names the parts that must have been healthy
    before it is started; `port` is 0 where it has none; `env` is added to the supervisor's own environment.
    """

    name: str
    argv: tuple[str, ...]
    probe: str
    port: int = 0
    url: str = ""
    after: tuple[str, ...] = ()
    essential: bool = False
    env: Mapping[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        return TITLES.get(self.name, self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything that the supervisor needs to know. Parts are started in this order and stopped in reverse."""

    home: str
    workspace: str
    version: str
    code: str
    parts: tuple[Part, ...]

    def save(self, path: Path) -> None:
        replace_file(path, json.dumps(asdict(self), indent=1))

    @classmethod
    def load(cls, path: Path) -> "Plan":
        found = json.loads(path.read_text(encoding="utf-8"))
        parts = (Part(**{**p, "argv": tuple(p["argv"]), "after": tuple(p["after"])}) for p in found.pop("parts"))
        return cls(**found, parts=tuple(parts))


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was said on the command line: ports other than those of ckkit.toml, parts that are left out."""

    hub_port: int | None = None
    lab_port: int | None = None
    dashboards_port: int | None = None
    lab: bool = True
    dashboards: bool = True


def ports(config: "Config", options: Options) -> dict[str, int]:
    """Return the port of each part that has one and is wanted; 0 asks for any that is free."""
    wanted = {"hub": config.hub.port if options.hub_port is None else options.hub_port}
    if options.lab:
        wanted["lab"] = config.lab.port if options.lab_port is None else options.lab_port
    if options.dashboards:
        wanted["dashboards"] = config.dashboards.port if options.dashboards_port is None else options.dashboards_port
    return wanted


def make(home: Home, workspace: "Workspace", port: Mapping[str, int], *, version: str, code: str) -> Plan:
    """Return the plan for the parts that have a port in `port`; the runner has none and is always there."""
    from ckkit.up import lab

    hub = Part(
        name="hub",
        argv=_module("ckkit.hub", "--port", str(port["hub"])),
        probe=f"unix:{home.socket()}:/healthz",
        port=port["hub"],
        url=address(port["hub"]),
        essential=True,
    )
    parts = [hub, Part(name="runner", argv=_module("ckkit.jobs"), probe="announced:runner", after=("hub",))]
    if "dashboards" in port:
        parts.append(
            Part(
                name="dashboards",
                argv=_module("ckkit.dashboards", "--port", str(port["dashboards"])),
                probe=f"{address(port['dashboards'])}/",
                port=port["dashboards"],
                url=address(port["dashboards"]),
                after=("hub",),
            )
        )
    if "lab" in port:
        parts.append(
            Part(
                name="lab",
                argv=_module("jupyterlab", f"--config={lab.settings(home)}"),
                probe=f"{address(port['lab'])}/api",
                port=port["lab"],
                url=address(port["lab"]),
                env=lab.environment(home),
            )
        )
    return Plan(home=str(home.path), workspace=str(workspace.path), version=version, code=code, parts=tuple(parts))


def address(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def environment(plan: Plan, part: Part, env: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the environment of a part: the supervisor's, the home and the workspace, and what the part needs."""
    kept = {key: value for key, value in env.items() if key != "NOTIFY_SOCKET"}  # only the supervisor tells systemd
    ours = {"CKKIT_HOME": plan.home, "CKKIT_WORKSPACE": plan.workspace, "PYTHONUNBUFFERED": "1"}
    return {**kept, **ours, **part.env}


def _module(name: str, *more: str) -> tuple[str, ...]:
    return (sys.executable, "-P", "-m", name, *more)  # -P: nothing in the workspace is mistaken for a module
