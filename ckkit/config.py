"""
The workspace: text in git. `ckkit.toml`, and the folders of monitors, schedules, notebooks and dashboards beside it.

Files are the truth: the command line and the pages rewrite them here, with
tomlkit, so that comments stay. Secrets are never values in them: an address or a
provider names an environment variable (`*_env`) or a file (`*_file`).
"""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import msgspec
import tomlkit
import tomlkit.exceptions
from tomlkit.items import AoT, Table

from ckkit.durations import duration, show_duration
from ckkit.errors import ConfigError, Invalid, NotFound
from ckkit.home import Home, replace_file
from ckkit.model import Address
from ckkit.tomlfile import convert, parse, problem

__all__ = ["Config", "Home", "Workspace", "add_check", "duration", "remove_check", "show_duration"]

Port = Annotated[int, msgspec.Meta(ge=0, le=65535)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=128, pattern=r"^[^\s/\"]+$")]


class HubConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    port: Port = 8700
    evaluate_every: str = "10s"
    deadline: str = "5s"
    read_limit: str = "30s"

    @property
    def every(self) -> timedelta:
        return duration(self.evaluate_every)


class DashboardsConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    port: Port = 8866


class LabConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    port: Port = 8888


class CollectConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    every: str = "10s"
    timeout: str = "8s"


class ThisMachine(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    enabled: bool = True
    name: str = ""
    tags: tuple[Name, ...] = ("local",)

    @property
    def node(self) -> str:
        """The name of this machine's node: as given, else the host's name."""
        return self.name or socket.gethostname()


class NodeConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    name: Name
    address: str = ""
    tags: tuple[Name, ...] = ()
    details: dict[str, str] = {}


class CheckConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """
    A check of one `node`, or of each of the `nodes` of a query. `params` are the keys that its type knows.

    The results of a `passive` check are pushed by others; its type may be any name.
    """

    type: str
    node: str = ""
    nodes: str = ""
    instance: str = ""
    every: str = ""
    timeout: str = ""
    labels: dict[str, str] = {}
    passive: bool = False
    params: dict[str, Any] = {}
    line: int = 1


class AddressConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    kind: str = "apprise"
    url: str = ""
    url_env: str = ""
    url_file: str = ""
    timeout: str = "10s"

    def __repr__(self) -> str:
        return f"AddressConfig(kind={self.kind!r})"

    def resolve(self, name: str, base: Path, env: Mapping[str, str] = os.environ) -> Address:
        """Return the address with its URL, from where the file says it is. Raises ConfigError where it is not there."""
        if self.url_env:
            url = env.get(self.url_env, "")
            where = f"the environment variable {self.url_env}"
        elif self.url_file:
            path = base / Path(self.url_file).expanduser()
            where = f"the file {path}"
            url = path.read_text().strip() if path.is_file() else ""
        else:
            url, where = self.url, "`url`"
        if not url:
            raise ConfigError(f"address {name}: {where} is empty or missing: it must hold the URL to send to")
        return Address(name=name, url=url, kind=self.kind, timeout=duration(self.timeout))


class RouteConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    to: tuple[str, ...]
    monitor: str = "*"
    nodes: str = "*"


class Config(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What ckkit.toml says, checked. Made by `Workspace.load`."""

    hub: HubConfig = HubConfig()
    dashboards: DashboardsConfig = DashboardsConfig()
    lab: LabConfig = LabConfig()
    collect: CollectConfig = CollectConfig()
    this_machine: ThisMachine = ThisMachine()
    nodes: tuple[NodeConfig, ...] = ()
    providers: dict[str, dict[str, Any]] = {}
    checks: tuple[CheckConfig, ...] = ()
    addresses: dict[str, AddressConfig] = {}
    routes: tuple[RouteConfig, ...] = ()
    public_url: str = ""


@dataclass(frozen=True, slots=True)
class Workspace:
    """A folder with a ckkit.toml."""

    path: Path

    @classmethod
    def find(cls, env: Mapping[str, str] = os.environ, cwd: Path | None = None) -> "Workspace":
        """
        Return the workspace of CKKIT_WORKSPACE, else the nearest folder at or above `cwd` that has a ckkit.toml.

        Raises:
            ConfigError: there is none; says how to make one.
        """
        if given := env.get("CKKIT_WORKSPACE"):
            path = Path(given).expanduser().absolute()
            if not (path / "ckkit.toml").is_file():
                raise ConfigError(
                    f"CKKIT_WORKSPACE names {path}, which has no ckkit.toml: `ckkit init {path}` makes one"
                )
            return cls(path)
        start = (cwd or Path.cwd()).absolute()
        for path in (start, *start.parents):
            if (path / "ckkit.toml").is_file():
                return cls(path)
        raise ConfigError(
            f"no ckkit.toml in {start} or above: go to a workspace, set CKKIT_WORKSPACE, "
            "or make one with `ckkit init DIR`"
        )

    @property
    def toml(self) -> Path:
        return self.path / "ckkit.toml"

    @property
    def monitors(self) -> Path:
        return self.path / "monitors"

    @property
    def scheduled(self) -> Path:
        return self.path / "scheduled"

    @property
    def notebooks(self) -> Path:
        return self.path / "notebooks"

    @property
    def voila_apps(self) -> Path:
        return self.path / "voila_apps"

    def load(self) -> Config:
        """Read ckkit.toml. Raises ConfigError with file, line and the nearest right word."""
        text, tables = parse(self.toml)
        if isinstance(tables.get("checks"), list):
            tables["checks"] = [_check(table, text, i) for i, table in enumerate(tables["checks"])]
        config = convert(tables, Config, self.toml, text)
        _verify(config, self.toml, text)
        return config


def _check(table: Any, text: str, index: int) -> Any:
    """Keys that every check has stay; the others are the params of its type."""
    if not isinstance(table, dict):
        return table
    from ckkit.tomlfile import locate

    own = {"type", "node", "nodes", "instance", "every", "timeout", "labels", "passive"}
    params = {k: v for k, v in table.items() if k not in own}
    return {**{k: v for k, v in table.items() if k in own}, "params": params, "line": locate(text, ("checks", index))}


def _verify(config: Config, path: Path, text: str) -> None:
    """What types alone do not say: durations, names given twice, addresses that exist."""
    _verify_durations(config, path, text)
    _verify_nodes_and_checks(config, path, text)
    _verify_addresses(config, path, text)


def _verify_durations(config: Config, path: Path, text: str) -> None:
    for keys, value in _durations(config):
        try:
            if duration(value) <= timedelta(0):
                raise Invalid(f"{value!r} is not longer than nothing")
        except Invalid as error:
            raise problem(path, text, keys, f"`{keys[-1]}`: {error.message}") from None


def _verify_nodes_and_checks(config: Config, path: Path, text: str) -> None:
    seen: set[str] = set()
    for index, node in enumerate(config.nodes):
        if node.name in seen:
            raise problem(path, text, ("nodes", index, "name"), f"the node {node.name!r} is written twice")
        seen.add(node.name)
    for index, check in enumerate(config.checks):
        if bool(check.node) == bool(check.nodes):
            raise problem(path, text, ("checks", index), "a check needs either `node` (a name) or `nodes` (a query)")


def _verify_addresses(config: Config, path: Path, text: str) -> None:
    for name, address in config.addresses.items():
        if [address.url, address.url_env, address.url_file].count("") != 2:
            raise problem(
                path, text, ("addresses", name), f"address {name!r} needs one of `url`, `url_env`, `url_file`"
            )
    for index, route in enumerate(config.routes):
        for to in route.to:
            if to not in config.addresses:
                known = ", ".join(sorted(config.addresses)) or "none"
                raise problem(path, text, ("routes", index, "to"), f"there is no address {to!r}: there are {known}")


def _durations(config: Config) -> list[tuple[tuple[str | int, ...], str]]:
    found: list[tuple[tuple[str | int, ...], str]] = [
        (("hub", "evaluate_every"), config.hub.evaluate_every),
        (("hub", "deadline"), config.hub.deadline),
        (("hub", "read_limit"), config.hub.read_limit),
        (("collect", "every"), config.collect.every),
        (("collect", "timeout"), config.collect.timeout),
    ]
    for index, check in enumerate(config.checks):
        own = (("every", check.every), ("timeout", check.timeout))
        found += [(("checks", index, key), value) for key, value in own if value]
    found += [(("addresses", name, "timeout"), address.timeout) for name, address in config.addresses.items()]
    return found


def add_check(workspace: Workspace, check: Mapping[str, Any]) -> None:
    """
    Add a `[[checks]]` table with the keys of `check` to ckkit.toml; comments and order of the rest stay.

    Raises:
        Invalid: a check of that type and instance on that node is written already.
        ConfigError: the file as it would become is wrong; it is left as it was.
    """
    document = _document(workspace)
    tables = document.setdefault("checks", tomlkit.aot())
    if any(_same(table, check) for table in tables):
        raise Invalid(f"{workspace.toml} has this check already: remove it first, or give another `instance`")
    table = tomlkit.table()
    for key, value in check.items():
        table.add(key, value)
    tables.append(table)
    _save(workspace, document)


def remove_check(workspace: Workspace, *, node: str, type: str, instance: str) -> None:
    """Take the `[[checks]]` table of that node, type and instance out. Raises NotFound where ckkit.toml has none."""
    document = _document(workspace)
    tables: AoT | list[Table] = document.get("checks", [])
    wanted = {"node": node, "type": type, "instance": instance}
    for index, table in enumerate(tables):
        if _same(table, wanted):
            del tables[index]
            if not tables:
                document.remove("checks")
            _save(workspace, document)
            return
    raise NotFound(f"{workspace.toml} has no check {type!r} with the instance {instance!r} for the node {node!r}")


def _same(table: Mapping[str, Any], check: Mapping[str, Any]) -> bool:
    return all(str(table.get(key, "")) == str(check.get(key, "")) for key in ("node", "nodes", "type", "instance"))


def _document(workspace: Workspace) -> tomlkit.TOMLDocument:
    parse(workspace.toml)
    return tomlkit.parse(workspace.toml.read_text(encoding="utf-8"))


def _save(workspace: Workspace, document: tomlkit.TOMLDocument) -> None:
    """Replace the file when what it becomes can be read; else leave it."""
    before, after = workspace.toml.read_text(encoding="utf-8"), tomlkit.dumps(document)
    mode = workspace.toml.stat().st_mode & 0o777
    replace_file(workspace.toml, after, mode)
    try:
        workspace.load()
    except ConfigError:
        replace_file(workspace.toml, before, mode)
        raise
