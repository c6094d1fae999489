"""
The command line: parse, call the kit, print. It repeats the kit: a plural noun, then a verb; a noun alone lists.

    ckkit nodes list "tag:web"      is kit.nodes.list("tag:web")
    ckkit checks add web0 http --instance homepage url=http://10.0.0.10/ every=10s
    ckkit up · down · status · logs · init · doctor · config · sql · service

Codes: 0 fine, 1 found something (a firing alert, a problem, a check in state err), 2 wrong use or an error.
What a command needs is imported when it runs, so that `ckkit --help` is there at once. One table of nouns, one of
commands that stand alone: that is all of this file, and why it is longer than others.
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ckkit.errors import CkkitError, Invalid

if TYPE_CHECKING:
    from ckkit.kit.kit import Kit

FINE, FOUND, WRONG, INTERRUPTED = 0, 1, 2, 130


@dataclass(frozen=True, slots=True)
class Arg:
    """One argument, as argparse takes it; `--x` or `x`."""

    names: tuple[str, ...]
    options: dict[str, Any]


def arg(*names: str, **options: Any) -> Arg:
    return Arg(names, options)


@dataclass(frozen=True, slots=True)
class Verb:
    """What can be done with a noun. `found` says of its answer whether the code is 1."""

    help: str
    call: Callable[["Kit", argparse.Namespace], Any]
    args: tuple[Arg, ...] = ()
    found: Callable[[Any], bool] = lambda answer: False


QUERY = arg("query", nargs="?", default="*", help="a node query: tag:web and -node:web1 (default: every node)")
SINCE = arg("--since", default="1d", metavar="TIME", help="how long ago (10m, 6h, 2d), or a time in UTC (default: 1d)")
CHECK = arg("check", help="its key: node/type or node/type:instance")
PAIRS = arg(
    "pairs", nargs="*", metavar="key=value", help="the parameters of its type (`ckkit checks types`), every=10s"
)


def _add_check(kit: "Kit", a: argparse.Namespace) -> Any:
    from ckkit.kit.lists import CheckList

    given = dict(a.pairs)
    added = kit.checks.add(
        a.node, a.type, a.instance, every=given.pop("every", None), timeout=given.pop("timeout", None), params=given
    )
    return _ran(kit, added.key) if a.run_now else CheckList([added])


def _ran(kit: "Kit", key: str) -> Any:
    from ckkit.up.answers import ran

    return ran(kit, key)


def _types(kit: "Kit", a: argparse.Namespace) -> Any:
    from ckkit.up.answers import types

    return types(kit.checks.types(), a.type)


def _events(kit: "Kit", a: argparse.Namespace) -> Any:
    from ckkit.up.answers import events

    return events(kit, a.since, a.topic, a.limit)


def _jobs(kit: "Kit", a: argparse.Namespace) -> Any:
    from ckkit.up.answers import jobs

    return kit.jobs.list() if a.json else jobs(kit.jobs.list(), kit.clock())


def _watch(kit: "Kit", a: argparse.Namespace) -> Any:
    from ckkit.up.answers import event_line, plain

    for event in kit.events.watch(a.topics):
        print(plain(event) if a.json else event_line(event), flush=True)


def _silence(kit: "Kit", a: argparse.Namespace) -> Any:
    from ckkit.kit.lists import SilenceList

    return SilenceList([kit.silences.add(a.nodes, a.monitor, lasts=a.lasts, comment=a.comment)])


def _is_err(answer: Any) -> bool:
    return bool(answer.result.state == "err")


def _is_firing(answer: Any) -> bool:
    return any(alert.status == "firing" for alert in answer)


NOUNS: dict[str, tuple[str, dict[str, Verb]]] = {
    "nodes": ("the machines that are watched", {
        "list": Verb("the nodes of a query, by name", lambda kit, a: kit.nodes.list(a.query), (QUERY,)),
        "show": Verb("one node", lambda kit, a: kit.nodes[a.name].record, (arg("name"),)),
        "processes": Verb(
            "the processes of this machine's node",
            lambda kit, a: kit.nodes[a.name].processes(a.sort, a.search, a.user, a.limit),
            (arg("name"), arg("--sort", choices=("cpu", "memory"), default="cpu", help="by what (default: cpu)"),
             arg("--search", default="", help="a part of the name or command"),
             arg("--user", default="", help="of this user only"),
             arg("--limit", type=int, default=20, help="how many (default: 20)")),
        ),
    }),
    "checks": ("what is measured on them", {
        "list": Verb("the checks on the nodes of a query", lambda kit, a: kit.checks.list(a.query, a.type),
                     (QUERY, arg("--type", help="of this type only"))),
        "add": Verb(
            "write a check into ckkit.toml and start it", _add_check,
            (arg("node"), arg("type", help="see `ckkit checks types`"), PAIRS,
             arg("--instance", default="", help="tells it from others of the type on the node"),
             arg("--run", dest="run_now", action="store_true", help="run it once now, and show the result")),
            lambda answer: hasattr(answer, "result") and _is_err(answer),
        ),
        "remove": Verb("take a check out of ckkit.toml; its results stay",
                       lambda kit, a: kit.checks.remove(a.check), (CHECK,)),
        "run": Verb("run a check now, and show the result", lambda kit, a: _ran(kit, a.check), (CHECK,), _is_err),
        "types": Verb("the types there are, or the parameters and metrics of one", _types,
                      (arg("type", nargs="?", help="one of them"),)),
    }),
    "metrics": ("what the values mean", {
        "list": Verb("the metrics, by type", lambda kit, a: kit.metrics.list(a.type),
                     (arg("--type", help="of this check type only"),)),
    }),
    "monitors": ("the rules: what is wrong, and who hears of it", {
        "list": Verb("every monitor", lambda kit, a: kit.monitors.list()),
        "show": Verb("one monitor", lambda kit, a: kit.monitors[a.name].record, (arg("name"),)),
        "problems": Verb("what is wrong with the files in monitors/",
                         lambda kit, a: kit.monitors.problems(), found=lambda answer: bool(answer)),
        "evaluate": Verb("judge every monitor at a slot, by default the newest",
                         lambda kit, a: kit.monitors.evaluate(a.slot, by="the command line"),
                         (arg("--slot", metavar="TIME", help="in UTC: 2026-11-24T09:00:10"),)),
    }),
    "alerts": ("monitors on checks: what is wrong now, and what changed", {
        "list": Verb("the alerts that are firing; code 1 where there is one",
                     lambda kit, a: kit.alerts.list(None if a.status == "all" else a.status, a.nodes),
                     (arg("--status", choices=("firing", "pending", "ok", "all"), default="firing",
                          help="of this status only (default: firing)"),
                      arg("--nodes", metavar="QUERY", help="on the nodes of a query only")), _is_firing),
        "transitions": Verb("the changes of alerts, the newest first",
                            lambda kit, a: kit.alerts.transitions(a.since, a.nodes, limit=a.limit),
                            (SINCE, arg("--nodes", metavar="QUERY", default="*", help="on the nodes of a query only"),
                             arg("--limit", type=int, default=100, help="how many (default: 100)"))),
    }),
    "silences": ("times in which nobody is told", {
        "list": Verb("the silences in force or to come", lambda kit, a: kit.silences.list(a.all),
                     (arg("--all", action="store_true", help="also those that ended"),)),
        "add": Verb("ask for quiet", _silence,
                    (arg("nodes", nargs="?", default="*", help="a node query (default: every node)"),
                     arg("--monitor", default="*", metavar="GLOB", help="of these monitors (default: all)"),
                     arg("--lasts", required=True, metavar="DURATION", help="2h, 30m, 1d"),
                     arg("--comment", required=True, help="why: others read it"))),
        "expire": Verb("end a silence now", lambda kit, a: kit.silences.expire(a.silence),
                       (arg("silence", type=int, help="its number"),)),
    }),
    "addresses": ("where notifications go", {
        "list": Verb("name and kind of each; never its URL", lambda kit, a: kit.addresses.list()),
        "test": Verb("send a test message", lambda kit, a: kit.addresses.test(a.name), (arg("name"),)),
    }),
    "notifications": ("what was sent, and what was not, and why", {
        "list": Verb("every attempt, and every decision not to send",
                     lambda kit, a: kit.notifications.list(a.since), (SINCE,)),
    }),
    "jobs": ("scheduled notebooks", {
        "list": Verb("the jobs of scheduled/schedule.toml", _jobs),
        "run": Verb("ask for one run now; prints its id", lambda kit, a: kit.jobs.run(a.name, a.pairs),
                    (arg("name"), arg("pairs", nargs="*", metavar="key=value", help="parameters of the notebook"))),
        "runs": Verb("the newest runs", lambda kit, a: kit.jobs.runs(a.name, a.limit),
                     (arg("name", nargs="?", help="of this job only"),
                      arg("--limit", type=int, default=20, help="how many (default: 20)"))),
    }),
    "providers": ("where nodes come from", {
        "list": Verb("every provider: its type, its nodes, its problem",
                     lambda kit, a: kit.providers.list(),
                     found=lambda answer: any(row.get("problem") for row in answer)),
    }),
    "events": ("what happened, in order", {
        "list": Verb("the newest events", _events,
                     (SINCE, arg("--topic", help="of this topic only"),
                      arg("--limit", type=int, default=50, help="how many (default: 50)"))),
        "watch": Verb("print events as they happen, until Ctrl-C", _watch,
                      (arg("topics", nargs="*", default=["nodes", "checks", "transitions", "notifications",
                                                         "jobs.finished", "jobs.failed", "notices"],
                           help="of these topics (default: all but results)"),)),
    }),
}  # fmt: skip


def pairs(given: Sequence[str]) -> dict[str, Any]:
    """
    Read `key=value` words. A value is read as TOML where it is such (a number, a list, true), else it is text.

    >>> pairs(["url=http://h/", "port=8080", "codes=[200, 204]", "every=10s"])
    {'url': 'http://h/', 'port': 8080, 'codes': [200, 204], 'every': '10s'}
    """
    import tomllib

    found: dict[str, Any] = {}
    for word in given:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise Invalid(f"cannot read {word!r}: write key=value, such as url=http://10.0.0.10/ or every=10s")
        try:
            read = tomllib.loads(f"value = {value}")["value"] if "\n" not in value else value
        except tomllib.TOMLDecodeError:
            read = value
        found[key] = read if isinstance(read, str | bool | int | float | list | dict) else value
    return found


def _with_kit(verb: Verb) -> Callable[[argparse.Namespace], int]:
    def run(asked: argparse.Namespace) -> int:
        import ckkit

        with ckkit.open() as kit:
            answer = verb.call(kit, asked)
            show(answer, as_json=asked.json)
            return FOUND if answer is not None and verb.found(answer) else FINE

    return run


def show(answer: Any, *, as_json: bool) -> None:
    """Print what a command gave: a table or its own words, or JSON for machines."""
    from ckkit.up.answers import plain, text

    if answer is not None:
        print(plain(answer) if as_json else text(answer))


def _up(a: argparse.Namespace) -> int:
    from ckkit.up.plan import Options
    from ckkit.up.start import up

    wanted = Options(
        hub_port=a.hub_port, lab_port=a.lab_port, dashboards_port=a.dashboards_port, lab=a.lab, dashboards=a.dashboards
    )
    return up(wanted, detach=a.detach)


def _down(a: argparse.Namespace) -> int:
    from ckkit.up.start import down

    return down(print)


def _status(a: argparse.Namespace) -> int:
    from ckkit.up.status import look

    found = look(tokens=a.tokens)
    show(found, as_json=a.json)
    return FINE if found.running and not found.problems else FOUND


def _logs(a: argparse.Namespace) -> int:
    from ckkit.home import Home
    from ckkit.up import logs

    folder = Home.find().logs
    for line in logs.shown(logs.which(folder, a.part), a.lines, raw=a.raw):
        print(line)
    if a.follow:
        for line in logs.follow(lambda: logs.which(folder, a.part), raw=a.raw):
            print(line, flush=True)
    return FINE


def _init(a: argparse.Namespace) -> int:
    from ckkit.up.screen import command
    from ckkit.up.workspace import init

    made = init(a.directory)
    print("\n".join(["made", *(f"  {path}" for path in made), f"now: cd {a.directory} && {command(anywhere=True)} up"]))
    return FINE


def _doctor(a: argparse.Namespace) -> int:
    from ckkit.up import doctor
    from ckkit.up.answers import Findings

    found = doctor.examine()
    show(Findings(found), as_json=a.json)
    return FOUND if any(one.level == doctor.ERR for one in found) else FINE


def _config(a: argparse.Namespace) -> int:
    from ckkit.up.answers import configuration

    show(configuration(), as_json=a.json)
    return FINE


def _sql(a: argparse.Namespace) -> int:
    import ckkit

    statement = sys.stdin.read() if a.statement == "-" else a.statement
    with ckkit.open() as kit:
        show(kit.sql(statement, **a.pairs), as_json=a.json)
    return FINE


def _service(a: argparse.Namespace) -> int:
    from ckkit.up import service

    print({"install": service.install, "remove": service.remove}[a.action]())
    return FINE


PORT = {"type": int, "metavar": "N"}
ALONE: dict[str, tuple[str, Callable[[argparse.Namespace], int], tuple[Arg, ...]]] = {
    "up": ("start hub, runner, JupyterLab and dashboards; print where they are", _up, (
        arg("--detach", "-d", action="store_true", help="leave them running in the background, once they are ready"),
        arg("--hub-port", **PORT, help="instead of that of ckkit.toml (8700); 0 takes any that is free"),
        arg("--dashboards-port", **PORT, help="likewise (8866)"),
        arg("--lab-port", **PORT, help="likewise (8888)"),
        arg("--no-lab", dest="lab", action="store_false", help="without JupyterLab"),
        arg("--no-dashboards", dest="dashboards", action="store_false", help="without the dashboards"))),
    "down": ("stop what `up` started, and wait until it has ended", _down, ()),
    "status": ("each part: process, address, health, memory, its newest work; the home", _status,
               (arg("--tokens", action="store_true", help="put the tokens into the addresses"),)),
    "logs": ("the logs of the parts", _logs, (
        arg("part", nargs="?", help="hub, runner, lab, dashboards, up (default: all)"),
        arg("-f", "--follow", action="store_true", help="go on as they grow, until Ctrl-C"),
        arg("--raw", action="store_true", help="as they are written: JSON, mostly"),
        arg("-n", "--lines", type=int, default=20, metavar="N", help="how many of the last lines (default: 20)"))),
    "init": ("make a workspace: ckkit.toml, monitors, schedule, notebooks, dashboards", _init,
             (arg("directory", type=Path, help="where; nothing is overwritten"),)),
    "doctor": ("is everything here that ckkit needs, and if not, what to do", _doctor, ()),
    "config": ("what ckkit.toml says, with the defaults of what it does not say", _config, ()),
    "sql": ("the rows of one SELECT: `ckkit sql \"select * from checks.cpu limit 5\"`", _sql,
            (arg("statement", help="or - for standard input"),
             arg("pairs", nargs="*", metavar="key=value", help="values for $key"))),
    "service": ("a unit of the user's systemd: ckkit from the machine's start on", _service,
                (arg("action", choices=("install", "remove"), help="write the unit, or take it away"),)),
}  # fmt: skip
WITHOUT_JSON = {"up", "down", "logs", "init", "service"}


class _Parser(argparse.ArgumentParser):
    """One whose own help is laid out by hand: the commands in two groups, each with what it is for."""

    def format_help(self) -> str:
        if self.prog != "ckkit":
            return super().format_help()
        nouns = {noun: f"{what} ({', '.join(verbs)})" for noun, (what, verbs) in NOUNS.items()}
        groups = [{name: what for name, (what, _, _) in ALONE.items()}, nouns]
        width = max(len(name) for group in groups for name in group)
        blocks = ["\n".join(f"  {name.ljust(width)}  {what}" for name, what in group.items()) for group in groups]
        return "\n\n".join([TITLE, USAGE, *blocks, HINT]) + "\n"


TITLE = "ckkit: the operations room of an SRE team, made of notebooks"
USAGE = "usage: ckkit COMMAND …          ckkit NOUN [VERB] …     (a noun alone lists)     ckkit --version"
HINT = "Each has --help, and, where it tells something, --json. Codes: 0 fine, 1 found something, 2 an error."


def parser() -> argparse.ArgumentParser:
    """Return the parser of everything."""
    top = _Parser(prog="ckkit", usage="ckkit COMMAND …")
    top.add_argument("--version", action=_Version, nargs=0)
    commands = top.add_subparsers(metavar="command", required=True)
    for name, (help_text, run, args) in ALONE.items():
        _command(commands, name, help_text, run, args, json=name not in WITHOUT_JSON)
    for noun, (help_text, verbs) in NOUNS.items():
        under = commands.add_parser(noun, help=help_text, description=_sentence(help_text))
        below = under.add_subparsers(metavar="verb", required=True, title="verbs")
        for word, verb in verbs.items():
            _command(below, word, verb.help, _with_kit(verb), verb.args, json=True)
    return top


def _command(
    under: Any, name: str, help_text: str, run: Callable[..., int], args: Sequence[Arg], *, json: bool
) -> None:
    made = under.add_parser(name, help=help_text, description=_sentence(help_text))
    made.set_defaults(run=run, parser=made)
    for one in args:
        made.add_argument(*one.names, **one.options)
    if json:
        made.add_argument("--json", action="store_true", help="for machines")


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


class _Version(argparse.Action):
    """Prints the version, which is looked up only then: it costs more than everything else here."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        import ckkit

        print(f"ckkit {ckkit.__version__}")
        parser.exit()


def alone(argv: Sequence[str]) -> list[str]:
    """
    Return the arguments with the verb `list` where a noun stands without one.

    >>> alone(["nodes"]), alone(["nodes", "--json"]), alone(["nodes", "--help"])
    (['nodes', 'list'], ['nodes', 'list', '--json'], ['nodes', '--help'])
    """
    if argv[:1] and argv[0] in NOUNS:
        after = argv[1] if len(argv) > 1 else "--"
        if after.startswith("-") and after not in ("-h", "--help"):
            return [argv[0], "list", *argv[1:]]
    return list(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its code. A CkkitError is shown as its message; anything else is a bug of ours."""
    asked, rest = parser().parse_known_args(alone(sys.argv[1:] if argv is None else argv))
    # argparse takes words of a list only side by side: `checks add web0 tcp --instance ssh port=22` leaves the last.
    if rest and (not hasattr(asked, "pairs") or any(word.startswith("-") for word in rest)):
        asked.parser.error(f"unrecognized arguments: {' '.join(rest)}")
    try:
        if hasattr(asked, "pairs"):
            asked.pairs = pairs([*asked.pairs, *rest])  # before a hub is asked: it is a question of how it is written
        code: int = asked.run(asked)
        sys.stdout.flush()
        return code
    except CkkitError as error:
        print(f"ckkit: {error.message}", file=sys.stderr)
        return WRONG
    except UnicodeEncodeError as error:
        print(f"ckkit: {ascii(error.object)[:80]} is not UTF-8 text, which is what ckkit speaks", file=sys.stderr)
        return WRONG
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # `ckkit … | head`: nobody reads any more, and Python must not try to once more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FINE


if __name__ == "__main__":
    sys.exit(main())
