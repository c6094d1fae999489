"""
Monitors as text: `monitors/*.toml`, a table a monitor.

    [disk_full]
    nodes = "tag:web"                  # a node query; "*" is every node
    check = "disk"                     # a check type
    instance = "/"                     # of which instances; "*" is all
    warn = "used_ratio > 0.8"          # conditions over the columns of the check
    critical = "used_ratio > 0.9"
    recovery = "used_ratio < 0.75"     # until this holds, a firing alert does not end
    aggregate = "avg"                  # of the values in `window`: last avg min max sum count
    window = "5m"
    for = "1m"                         # bad for so long before it fires
    keep_firing_for = "5m"             # good for so long before it ends
    new_instance_delay = "1m"          # a check younger than this is not judged
    missing = "nodata"                 # no result in the lookback: ok keep nodata warn critical
    on_error = "critical"              # the check failed: critical warn ok keep
    notify = ["oncall"]                # addresses of ckkit.toml, beside what [[routes]] say
    message = "what to do about it"
    reported = false                   # true: a notebook reports its levels, conditions are its own business

A mistake in one monitor concerns that monitor alone: the others go on, and so does the version of it that was in force.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec

from ckkit import tomlfile
from ckkit.alerts.plans import plan
from ckkit.durations import duration
from ckkit.errors import CkkitError, ConfigError, Invalid
from ckkit.model import Monitor
from ckkit.nodequery import parse as parse_query
from ckkit.rules import Plan

AGGREGATES = ("last", "avg", "min", "max", "sum", "count")
MISSING = ("ok", "keep", "nodata", "warn", "critical")
ON_ERROR = ("critical", "warn", "ok", "keep")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
_TAG = re.compile(r"""\btag:(?:"(?P<quoted>[^"]+)"|(?P<bare>[\w.\-/@%]+)(?![\w*?]))""")


class MonitorTable(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    check: str
    nodes: str = "*"
    instance: str = "*"
    warn: str = ""
    critical: str = ""
    recovery: str = ""
    aggregate: str = "last"
    window: str = "0s"
    hold: str = msgspec.field(default="0s", name="for")
    keep_firing_for: str = "0s"
    new_instance_delay: str = "0s"
    missing: str = "nodata"
    on_error: str = "critical"
    notify: tuple[str, ...] = ()
    message: str = ""
    reported: bool = False


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """
    What a monitor may name: the metrics of each check type, the tags of the nodes, the addresses.

    `verify` has the last word on conditions that are more than a comparison, and raises Invalid: it knows the grammar.
    """

    metrics: Mapping[str, Collection[str]]
    tags: Collection[str] = ()
    addresses: Collection[str] = ()
    verify: Callable[[Plan], None] = lambda plan: None


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What is wrong with a monitor file; `message` names file and line. No `monitor`: with all of the file."""

    file: str
    line: int
    message: str
    monitor: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a folder says: monitors by name, problems, and the files of which nothing could be read."""

    monitors: dict[str, Monitor] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    unreadable: set[str] = field(default_factory=set)


def read_folder(folder: Path, words: Vocabulary) -> Reading:
    """Read every `*.toml` of a folder, by name. Never raises for what they say: that is in `problems`."""
    reading = Reading()
    for path in sorted(folder.glob("*.toml")):
        try:
            text, tables = tomlfile.parse(path)
        except ConfigError as error:
            reading.problems.append(_problem(error, path))
            reading.unreadable.add(path.name)
            continue
        for name, table in tables.items():
            try:
                if name in reading.monitors:
                    other = reading.monitors[name].file
                    raise tomlfile.problem(path, text, (name,), f"the monitor {name!r} is written in {other} already")
                reading.monitors[name] = read_monitor(name, table, path, text, words)
            except ConfigError as error:
                reading.problems.append(_problem(error, path, name))
    return reading


def in_force(reading: Reading, before: Iterable[Monitor]) -> list[Monitor]:
    """
    Return the monitors that hold now, by name: those read, and of those with a problem the version before.

    A monitor that is in no file any more is gone, unless its file could not be read.
    """
    stumbled = {problem.monitor for problem in reading.problems}
    kept = {
        monitor.name: monitor for monitor in before if monitor.name in stumbled or monitor.file in reading.unreadable
    }
    return sorted({**kept, **reading.monitors}.values(), key=lambda monitor: monitor.name)


def read_monitor(name: str, table: Any, path: Path, text: str, words: Vocabulary) -> Monitor:
    """Turn one table of a file into a monitor. Raises ConfigError with file, line and the nearest right word."""
    if not isinstance(table, dict):
        raise tomlfile.problem(path, text, (name,), f"{name!r} belongs to no monitor: begin one with [its_name]")
    if not _NAME.fullmatch(name):
        raise tomlfile.problem(path, text, (name,), f"{name!r} is no name for a monitor: use letters, digits, _ . -")
    given = tomlfile.convert(table, MonitorTable, path, text, (name,))
    try:
        spans = {key: _span(table, key) for key in ("window", "for", "keep_firing_for", "new_instance_delay")}
        monitor = Monitor(
            name=name,
            nodes=given.nodes,
            check=given.check,
            instance=given.instance,
            warn=given.warn or None,
            critical=given.critical or None,
            recovery=given.recovery or None,
            aggregate=given.aggregate,
            window=spans["window"],
            hold=spans["for"],
            keep_firing_for=spans["keep_firing_for"],
            new_instance_delay=spans["new_instance_delay"],
            missing=given.missing,
            on_error=given.on_error,
            notify=given.notify,
            message=given.message,
            reported=given.reported,
            file=path.name,
        )
        _verify(monitor, words)
    except _Wrong as wrong:
        raise tomlfile.problem(path, text, (name, wrong.key), wrong.message) from None
    return monitor


class _Wrong(Invalid):
    """Something is wrong with the value of `key`."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


def _span(table: Mapping[str, Any], key: str) -> timedelta:
    try:
        return duration(table.get(key, "0s"))
    except Invalid as error:
        raise _Wrong(key, f"`{key}`: {error.message}") from None


def _verify(monitor: Monitor, words: Vocabulary) -> None:
    for key, value, known in (
        ("aggregate", monitor.aggregate, AGGREGATES),
        ("missing", monitor.missing, MISSING),
        ("on_error", monitor.on_error, ON_ERROR),
    ):
        if value not in known:
            raise _Wrong(key, f"`{key}` cannot be {value!r}{tomlfile.nearest(value, list(known))}")
    if monitor.check not in words.metrics:
        raise _Wrong("check", f"there is no check type {monitor.check!r}{_near(monitor.check, words.metrics)}")
    for address in monitor.notify:
        if address not in words.addresses:
            raise _Wrong("notify", f"ckkit.toml has no address {address!r}{_near(address, words.addresses)}")
    _verify_nodes(monitor, words)
    _verify_conditions(monitor, words)


def _near(word: str, known: Collection[str]) -> str:
    return tomlfile.nearest(word, sorted(known))


def _verify_nodes(monitor: Monitor, words: Vocabulary) -> None:
    try:
        parse_query(monitor.nodes)
    except CkkitError as error:
        raise _Wrong("nodes", error.message) from None
    for term in _TAG.finditer(monitor.nodes):
        tag = term["quoted"] or term["bare"]
        if tag in words.tags or any(wild in tag for wild in "*?"):
            continue
        # A tag that no node has yet is fine; one that differs from a known tag by more than a number is a slip.
        near = tomlfile.nearest(tag, [known for known in words.tags if _letters(known) != _letters(tag)])
        if "did you mean" in near:
            raise _Wrong("nodes", f"no node has the tag {tag!r}{near}")


def _letters(tag: str) -> str:
    return re.sub(r"\d+", "", tag)


def _verify_conditions(monitor: Monitor, words: Vocabulary) -> None:
    conditions = {"warn": monitor.warn, "critical": monitor.critical, "recovery": monitor.recovery}
    if monitor.reported:
        if given := [key for key, text in conditions.items() if text]:
            raise _Wrong(given[0], f"a reported monitor has no `{given[0]}`: the notebook that reports it decides")
        return
    metrics = words.metrics[monitor.check]
    for key, text in conditions.items():
        try:
            if text:
                words.verify(plan(Monitor(name=monitor.name, nodes="*", check=monitor.check, warn=text), metrics))
        except Invalid as error:
            raise _Wrong(key, f"`{key}`: {error.message}") from None
    if monitor.recovery and not (monitor.warn or monitor.critical):
        raise _Wrong("recovery", "`recovery` ends what `warn` or `critical` began: there is neither")
    if (monitor.aggregate == "last") == bool(monitor.window):
        wrong = "window" if monitor.window else "aggregate"
        raise _Wrong(wrong, "`window` and `aggregate` (avg, min, max, sum, count) go together: give both or neither")


def _problem(error: ConfigError, path: Path, monitor: str = "") -> Problem:
    line = int(error.details.get("line", 1))
    return Problem(file=path.name, line=line, message=error.message, monitor=monitor)
