"""docs/command-line.md is held to the command line."""

import argparse
import re
import shlex
from pathlib import Path

import pytest

from ckkit import cli

PAGE = (Path(__file__).parents[2] / "docs" / "command-line.md").read_text()
EXAMPLES = re.findall(rf"^`?(ckkit (?:{'|'.join(cli.NOUNS)}) [^`\n]+)", PAGE, re.MULTILINE)


def test_every_command_has_a_heading_and_no_heading_is_without_a_command():
    headings = set(re.findall(r"^## ckkit (\S+)$", PAGE, re.MULTILINE))
    assert headings == {*cli.ALONE, *cli.NOUNS}


def test_every_verb_is_shown_in_an_example():
    shown = {tuple(example.split()[1:3]) for example in EXAMPLES}
    assert shown == {(noun, verb) for noun, (_, verbs) in cli.NOUNS.items() for verb in verbs}


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_is_what_the_command_line_takes(example):
    asked, rest = cli.parser().parse_known_args(shlex.split(example)[1:])
    assert rest == [] or hasattr(asked, "pairs")


def test_every_option_of_the_commands_that_stand_alone_is_told():
    parser = cli.parser()
    (commands,) = (a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    options = {
        option
        for name in cli.ALONE
        for action in commands.choices[name]._actions
        for option in action.option_strings
        if option.startswith("--") and option not in ("--help", "--lines", "--follow")
    }
    assert {option for option in options if option not in PAGE} == set()
