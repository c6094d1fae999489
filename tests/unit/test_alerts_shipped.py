"""The monitors that come with ckkit: without a mistake, and quiet on a machine that is well."""

from pathlib import Path

import pytest

from ckkit.alerts.monitorfile import Vocabulary, read_folder
from ckkit.alerts.plans import plan
from ckkit.plugins import discover

FOLDER = Path(__file__).parents[2] / "monitors"


@pytest.fixture(scope="module")
def words():
    types = discover("ckkit.checks")
    assert types.broken == {}
    return Vocabulary(metrics={name: [metric.name for metric in kind.metrics] for name, kind in types.found.items()})


def test_every_file_is_read_without_a_problem(words):
    reading = read_folder(FOLDER, words)
    assert reading.problems == []
    assert {"disk_full", "disk_forecast", "memory", "cpu", "http"} <= reading.monitors.keys()


def test_every_check_of_an_endpoint_has_a_monitor_that_tells_of_its_failure(words):
    told = {m.check for m in read_folder(FOLDER, words).monitors.values() if m.on_error == "critical"}
    assert {"http", "tcp", "ping", "disk", "memory"} <= told


def test_what_is_compared_is_a_row_not_a_statement(words):
    kinds = {m.name: plan(m, words.metrics[m.check]).kind for m in read_folder(FOLDER, words).monitors.values()}
    assert {name for name, kind in kinds.items() if kind != "compare"} == {"disk_forecast"}
