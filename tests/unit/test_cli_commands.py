"""The command line by itself: help, arguments, codes, errors without a traceback. No hub runs here."""

import argparse
import json
import os
import subprocess
import sys
import time

import pytest

from ckkit import cli
from ckkit.errors import Invalid
from ckkit.kit import kit
from ckkit.up import answers, doctor


def commands(parser, prefix=()):
    """Yield the words and the parser of every command."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, child in action.choices.items():
                yield (*prefix, name), child
                yield from commands(child, (*prefix, name))


EVERY = list(commands(cli.parser()))


def test_the_nouns_and_the_commands_are_those_of_the_design():
    assert set(cli.ALONE) == {"up", "down", "status", "logs", "init", "doctor", "config", "sql", "service"}
    assert set(cli.NOUNS) == {*kit.NOUNS} - {"hub"}  # the command line repeats the kit
    assert all("list" in verbs for _, verbs in cli.NOUNS.values())


@pytest.mark.parametrize(("words", "parser"), EVERY, ids=lambda v: " ".join(v) if isinstance(v, tuple) else "")
def test_every_command_and_every_option_says_what_it_is_for(words, parser, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main([*words, "--help"])
    assert ended.value.code == 0
    assert parser.description in " ".join(capsys.readouterr().out.split())
    silent = [a.option_strings for a in parser._actions if a.option_strings and not a.help]
    assert silent == []


def test_the_first_help_shows_every_command_in_lines_that_fit(capsys):
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    lines = capsys.readouterr().out.splitlines()
    assert {line.split()[0] for line in lines if line.startswith("  ")} == {*cli.ALONE, *cli.NOUNS}
    assert max(map(len, lines)) <= 110


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["bogus"],
        ["nodes", "lst"],
        ["up", "--bogus"],
        ["checks", "add", "web0"],
        ["logs", "-n", "many"],
        ["silences", "add"],
    ],
)
def test_wrong_use_is_code_2_and_says_how(argv, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(argv)
    assert ended.value.code == 2
    assert "usage: ckkit" in capsys.readouterr().err


def test_words_of_a_list_may_stand_after_an_option(monkeypatch):
    seen = []
    monkeypatch.setattr(cli, "_with_kit", lambda verb: lambda asked: seen.append((asked.instance, asked.pairs)) or 0)
    assert cli.main(["checks", "add", "web0", "tcp", "port=22", "--instance", "ssh", "every=10s"]) == 0
    assert seen == [("ssh", {"port": 22, "every": "10s"})]


@pytest.fixture
def nothing_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("CKKIT_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("CKKIT_WORKSPACE", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["nodes"], "./ck up"),
        (["checks", "add", "web0", "http", "url"], "cannot read 'url': write key=value"),
        (["sql", "select 1"], "./ck up"),
        (["up"], "ckkit init DIR"),
        (["config"], "ckkit init DIR"),
        (["logs", "hub"], "no log of 'hub'"),
        (["service", "install"], "ckkit init DIR"),
    ],
)
def test_an_error_is_one_sentence_that_says_what_to_do(nothing_runs, argv, said, capsys):
    assert cli.main(argv) == 2
    heard = capsys.readouterr()
    assert heard.out == ""
    assert heard.err.startswith("ckkit: ")
    assert said in heard.err
    assert "Traceback" not in heard.err


def test_down_where_nothing_runs_is_fine(nothing_runs, capsys):
    assert cli.main(["down"]) == 0
    assert capsys.readouterr().out == "ckkit does not run\n"


def test_status_where_nothing_runs(nothing_runs, capsys):
    assert cli.main(["status"]) == 1
    assert capsys.readouterr().out.startswith("ckkit does not run: `./ck up` starts it")
    assert cli.main(["status", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["parts"] == []


def test_init_makes_a_workspace_in_which_config_is_shown(nothing_runs, capsys, monkeypatch, tmp_path):
    assert cli.main(["init", "ops"]) == 0
    assert "now: cd ops && ckkit up" in capsys.readouterr().out
    assert cli.main(["init", "ops"]) == 2
    monkeypatch.chdir(tmp_path / "ops")
    capsys.readouterr()
    assert cli.main(["config"]) == 0
    assert "[hub]\nport = 8700" in capsys.readouterr().out
    assert cli.main(["config", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["hub"]["port"] == 8700


def test_the_configuration_is_shown_without_secrets(nothing_runs, capsys, monkeypatch, tmp_path):
    (tmp_path / "ckkit.toml").write_text(
        '[addresses.a]\nurl = "mailtos://u:hunter2@h"\n[addresses.b]\nurl_env = "B_URL"\n'
        '[providers.p]\ntype = "libcloud"\napi_key = "hunter2"\nkey_file = "~/.key"\n'
    )
    assert cli.main(["config"]) == 0
    out = capsys.readouterr().out
    assert "hunter2" not in out
    assert 'url_env = "B_URL"' in out
    assert 'key_file = "~/.key"' in out


def test_the_doctor_says_each_finding_and_what_to_do(nothing_runs, capsys):
    code = cli.main(["doctor"])
    out = capsys.readouterr().out
    assert code == 1  # there is no workspace here
    assert "✗ err   workspace" in out
    assert "→ " in out
    assert cli.main(["doctor", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert {one["level"] for one in found} <= {"ok", "warn", "err"}


def test_findings_are_aligned():
    shown = str(answers.Findings([doctor.Finding("ok", "a", "fine"), doctor.Finding("err", "long", "bad", "do")]))
    assert shown.splitlines() == [
        "✓ ok    a     fine",
        "✗ err   long  bad",
        "              → do",
        "",
        "1 to correct, 0 to look at",
    ]


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("a=1", 1),
        ("a=1.5", 1.5),
        ("a=true", True),
        ("a=[200, 204]", [200, 204]),
        ('a="1"', "1"),
        ("a=http://h/?q=1#x", "http://h/?q=1#x"),
        ("a=10s", "10s"),
        ("a=", ""),
        ("a=2026-11-24", "2026-11-24"),  # a date is text: no parameter is one
        ("a=1\nb=2", "1\nb=2"),
        ("a=GET", "GET"),
    ],
)
def test_values_are_read_as_what_they_are(word, value):
    assert cli.pairs([word]) == {"a": value}


@pytest.mark.parametrize("word", ["url", "=x", ""])
def test_words_that_are_no_pairs(word):
    with pytest.raises(Invalid, match="write key=value"):
        cli.pairs([word])


def test_a_type_shows_its_parameters_and_metrics():
    known = [
        {
            "name": "tcp",
            "help": "connects",
            "params": {"port": {"type": "integer", "required": True}, "tls": {"type": "boolean", "default": False}},
            "metrics": [{"name": "connect_seconds", "unit": "seconds", "help": "until connected"}],
        }
    ]
    assert str(answers.types(known, None)).startswith("tcp  connects\n     takes port (needed), tls\n")
    one = str(answers.types(known, "tcp"))
    assert "(needed)" in one
    assert "connect_seconds" in one
    with pytest.raises(answers.NotFound, match="no check type 'udp': there are tcp"):
        answers.types(known, "udp")


def test_a_closed_pipe_is_no_error():
    ran = subprocess.run(
        f"{sys.executable} -P -m ckkit.cli --help | head -n 1", shell=True, capture_output=True, text=True
    )
    assert ran.stderr == ""
    assert ran.stdout.startswith("ckkit:")


def test_help_is_there_at_once_and_imports_nothing_heavy():
    code = "import sys, ckkit.cli\nckkit.cli.parser()\nprint(*sys.modules)"
    ran = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    heavy = {"msgspec", "psutil", "pyarrow", "duckdb", "tomlkit", "asyncio", "ckkit.config", "ckkit.kit", "ckkit.views"}
    assert heavy & set(ran.stdout.split()) == set()

    def took():
        began = time.perf_counter()
        subprocess.run([sys.executable, "-P", "-m", "ckkit.cli", "--help"], stdout=subprocess.DEVNULL, check=True)
        return time.perf_counter() - began

    assert min(took() for _ in range(5)) < 0.1 * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
