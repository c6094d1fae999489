"""What the command line prints: answers of the kit as aligned text, or as JSON."""

import shutil
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from ckkit.errors import NotFound
from ckkit.kit.lists import Rows
from ckkit.kit.times import moment, naive
from ckkit.model import Check, Event, Result
from ckkit.up.doctor import Finding
from ckkit.views import loose, records, tables

if TYPE_CHECKING:
    from ckkit.kit.kit import Kit

NOT_SHOWN = "(not shown)"
MARKS = {"ok": "✓", "warn": "!", "err": "✗"}
EVENTS = """
select seq, ts, topic, scope, source, payload::varchar as payload
from events
where ts >= $since and ($topic = '' or topic = $topic)
order by seq desc
limit $most
""".strip()


def text(answer: Any) -> str:
    """Return an answer as people read it: lists and tables show themselves, one record is a line a field."""
    if isinstance(answer, list):
        return repr(loose.rows(answer))
    if isinstance(answer, Mapping):
        return fields(answer)
    if is_dataclass(answer) and type(answer).__module__ == "ckkit.model":
        return fields(msgspec.to_builtins(answer))
    return str(answer)


def fields(record: Mapping[str, Any]) -> str:
    """Return one record, a line a field; fields without a value are left out."""
    shown = {key.replace("_", " "): loose.anything(value).text for key, value in record.items() if value != []}
    kept = {key: value for key, value in shown.items() if value}
    width = max(map(len, kept), default=0)
    return "\n".join(f"{key.ljust(width)}  {value}" for key, value in kept.items())


def plain(answer: Any) -> str:
    """Return an answer as JSON: records as objects, times as RFC 3339, durations as ISO 8601."""
    return msgspec.json.format(msgspec.json.encode(bare(answer), enc_hook=str), indent=2).decode()


def bare(answer: Any) -> Any:
    """Return what is in an answer, without the way it shows itself."""
    if hasattr(answer, "arrow"):
        return answer.arrow.to_pylist()
    if isinstance(answer, tuple):
        return [bare(one) for one in answer]
    return getattr(answer, "record", answer)


@dataclass(frozen=True, slots=True)
class Ran:
    """A check and the result of running it now."""

    check: Check
    result: Result
    units: Mapping[str, str]

    def __str__(self) -> str:
        return repr(records.results([(self.check, self.result)], self.units))


def ran(kit: "Kit", key: str) -> Ran:
    """Run a check now."""
    check = kit.checks[key]
    return Ran(check, kit.checks.run(key), kit.metrics.units())


def types(known: Sequence[Mapping[str, Any]], name: str | None) -> Any:
    """
    Return the check types, or of one its parameters and metrics.

    Raises:
        NotFound: there is no type of that name; names those there are.
    """
    if name is None:
        return TypesView(known)
    found = next((one for one in known if one["name"] == name), None)
    if found is None:
        raise NotFound(f"no check type {name!r}: there are {', '.join(one['name'] for one in known)}")
    return TypeView(found)


@dataclass(frozen=True, slots=True)
class TypesView:
    """Every check type: what it measures, and what it takes."""

    record: Sequence[Mapping[str, Any]]

    def __str__(self) -> str:
        width = max((len(one["name"]) for one in self.record), default=0)
        lines = []
        for one in self.record:
            lines.append(f"{one['name'].ljust(width)}  {one['help']}")
            if named := ", ".join(_named(*param) for param in one["params"].items()):
                room = shutil.get_terminal_size((110, 24)).columns - width - 2
                lines += [f"{' ' * width}  {line}" for line in textwrap.wrap(f"takes {named}", max(room, 40))]
        return "\n".join([*lines, "", "one of them with its metrics: ckkit checks types NAME"])


def _named(key: str, about: Mapping[str, Any]) -> str:
    return f"{key} (needed)" if about.get("required") else key


@dataclass(frozen=True, slots=True)
class TypeView:
    """One check type, with the parameters and the metrics of it."""

    record: Mapping[str, Any]

    def __str__(self) -> str:
        one = self.record
        params = [
            {"parameter": key, "type": about.get("type", ""), "default": _default(about)}
            for key, about in one["params"].items()
        ]
        metrics = [{"metric": m["name"], "unit": m["unit"], "means": m["help"]} for m in one["metrics"]]
        return "\n\n".join(
            [
                f"{one['name']}: {one['help']}",
                repr(loose.rows(params, empty="it has no parameters")),
                repr(loose.rows(metrics, empty="it has no metrics")),
            ]
        )


def _default(about: Mapping[str, Any]) -> str:
    return "(needed)" if about.get("required") else msgspec.json.encode(about.get("default")).decode()


def jobs(known: Sequence[Mapping[str, Any]], now: datetime) -> Any:
    """Return the jobs, the last run of each in a word."""
    rows = [
        {
            "job": job["name"],
            "notebook": job["notebook"],
            "runs": f"every {job['every']}" if job.get("every") else job.get("cron"),
            "time-out": job.get("timeout"),
            "last run": _last(job.get("last_run"), now),
            "next (UTC)": _time(job.get("next")),
            "problem": job.get("problem"),
        }
        for job in known
    ]
    return Rows.of(rows, "no job: scheduled/schedule.toml holds them")


def _last(run: Mapping[str, Any] | None, now: datetime) -> str:
    if not run:
        return ""
    started = _time(run["started"])
    return f"{run['state']}, {tables.ago(started, now)}" if started else str(run["state"])


def _time(text: object) -> datetime | None:
    return datetime.fromisoformat(text) if isinstance(text, str) else None


def events(kit: "Kit", since: str, topic: str | None, most: int) -> Any:
    """Return the newest events, of one topic where it is given."""
    return kit.sql(EVENTS, since=naive(moment(since, kit.clock())), topic=topic or "", most=most)


def event_line(event: Event) -> str:
    """Return an event in one line; the payload as JSON."""
    payload = msgspec.json.encode(event.payload, enc_hook=str).decode()
    return f"{event.ts:%Y-%m-%d %H:%M:%S}Z  {event.topic.ljust(14)}  {event.scope}  {payload}"


@dataclass(frozen=True, slots=True)
class Findings:
    """What the doctor found, and what to do about it."""

    record: Sequence[Finding]

    def __str__(self) -> str:
        width = max((len(one.about) for one in self.record), default=0)
        lines = []
        for one in self.record:
            lines.append(f"{MARKS[one.level]} {one.level.ljust(4)}  {one.about.ljust(width)}  {one.said}")
            if one.todo:
                lines.append(f"{' ' * (width + 8)}  → {one.todo}")
        bad = [sum(one.level == level for one in self.record) for level in ("err", "warn")]
        return "\n".join([*lines, "", f"{bad[0]} to correct, {bad[1]} to look at"])


def configuration() -> "ConfigView":
    """Return what is in force for the workspace: ckkit.toml, and the defaults of what it does not say."""
    from ckkit.config import Workspace

    workspace = Workspace.find()
    return ConfigView(str(workspace.toml), without_secrets(msgspec.to_builtins(workspace.load())))


@dataclass(frozen=True, slots=True)
class ConfigView:
    """A configuration without its secrets; as text it is TOML."""

    file: str
    record: Mapping[str, Any]

    def __str__(self) -> str:
        import tomlkit

        return f"# {self.file}, with the defaults of what it does not say\n{tomlkit.dumps(self.record).rstrip()}"


SECRET_WORDS = ("password", "secret", "token", "key", "auth", "cookie")


def without_secrets(tables: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return the tables with the values hidden that may hold a password. Names of variables and files are no secret.

    >>> without_secrets({"addresses": {"a": {"url": "mailto://u:p@h", "url_env": "X"}}, "checks": [{"url": "http://h"}]})
    {'addresses': {'a': {'url': '(not shown)', 'url_env': 'X'}}, 'checks': [{'url': 'http://h'}]}
    """
    words = {"addresses": (*SECRET_WORDS, "url")}
    return {key: _hidden(key, value, words.get(key, SECRET_WORDS)) for key, value in tables.items()}


def _hidden(key: str, value: Any, words: tuple[str, ...]) -> Any:
    if isinstance(value, Mapping):
        return {k: _hidden(k, v, words) for k, v in value.items()}
    if isinstance(value, list):
        return [_hidden(key, one, words) for one in value]
    told = key.endswith(("_env", "_file")) or not value or not isinstance(value, str)
    return value if told or not any(word in key.lower() for word in words) else NOT_SHOWN
