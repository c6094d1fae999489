"""scheduled/schedule.toml: what it may say, what is wrong with it, and what stays in force meanwhile."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from ckkit.errors import ConfigError, Invalid, NotFound
from ckkit.jobs.parameters import check, known, parse
from ckkit.jobs.schedulefile import ScheduleFile, find, load
from ckkit.jobs.triggers import Every


def write_notebook(path, source="hours = 24  # how far ahead, hours\nrun_id = ''\nslot = ''"):
    cell = {
        "cell_type": "code",
        "execution_count": None,
        "id": "p",
        "metadata": {"tags": ["parameters"]},
        "outputs": [],
        "source": source,
    }
    path.write_text(json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))


@pytest.fixture
def folder(tmp_path):
    write_notebook(tmp_path / "forecast.ipynb")
    return tmp_path


def written(folder, text):
    path = folder / "schedule.toml"
    path.write_text(text)
    return path


GOOD = '[[jobs]]\nname = "forecast"\nnotebook = "forecast.ipynb"\nevery = "5m"\n'


def test_a_job_is_read_with_its_defaults(folder):
    job = load(written(folder, GOOD))["forecast"]
    assert job.notebook == folder / "forecast.ipynb"
    assert job.trigger == Every(timedelta(minutes=5))
    assert (job.timeout, job.cell_timeout, job.keep) == (timedelta(minutes=5), None, timedelta(days=30))


def test_a_crontab_runs_on_the_clock_of_its_zone(folder):
    text = GOOD.replace('every = "5m"', 'cron = "30 7 * * mon-fri"\ntimezone = "Europe/Berlin"')
    trigger = load(written(folder, text))["forecast"].trigger
    assert trigger.after(datetime(2026, 7, 3, 12, tzinfo=UTC)) == datetime(2026, 7, 6, 5, 30, tzinfo=UTC)


def test_a_workspace_without_a_schedule_has_no_jobs(tmp_path):
    assert load(tmp_path / "schedule.toml") == {}


WRONG = [
    (GOOD.replace("every", "evry"), 4, "there is no key 'evry': did you mean 'every'?"),
    (GOOD.replace("5m", "5 minutes"), 4, "cannot read '5 minutes' as a duration"),
    (GOOD.replace("5m", "10ms"), 4, "too short: at least 1s"),
    (GOOD.replace("5m", "0s"), 4, "'0s' is not longer than nothing"),
    (GOOD.replace('every = "5m"', ""), 2, "needs either `every` or `cron`"),
    (GOOD + 'cron = "* * * * *"\n', 5, "needs either `every` or `cron`"),
    (GOOD.replace("forecast.ipynb", "forcast.ipynb"), 3, "did you mean 'forecast.ipynb'?"),
    (GOOD.replace("forecast.ipynb", "../forecast.ipynb"), 3, "is not in"),
    (GOOD + "parameters = { hour = 1 }\n", 5, "did you mean 'hours'? it knows hours, run_id, slot"),
    (GOOD + 'parameters = { slot = "" }\n', 5, "'slot' is given by the runner"),
    (GOOD + 'timezone = "Europe/Berlin"\n', 5, "`timezone` goes with `cron`"),
    (GOOD.replace('every = "5m"', 'cron = "61 * * * *"'), 4, "higher than the maximum value (59)"),
    (GOOD.replace('every = "5m"', 'cron = "* * * * *"\ntimezone = "Europe/Berln"'), 5, "did you mean 'Europe/Berlin'?"),
    (GOOD.replace('"forecast"', '"a/b"'), 2, "regex"),
    (GOOD + "timeout = 3\n", 5, "`timeout`: Expected `str`, got `int`"),
    (GOOD + GOOD, 6, "the job 'forecast' is written twice"),
    (GOOD + "[[jobs]\n", 5, "not TOML"),
]


@pytest.mark.parametrize(("text", "line", "said"), WRONG)
def test_what_is_wrong_is_told_with_file_and_line(folder, text, line, said):
    path = written(folder, text)
    with pytest.raises(ConfigError) as found:
        load(path)
    assert str(found.value).startswith(f"{path}:{line}: ")
    assert said in str(found.value)
    assert found.value.details["line"] == line


def test_a_bad_edit_leaves_the_old_schedule_in_force(folder):
    file = ScheduleFile(written(folder, GOOD))
    assert file.refresh()
    assert not file.refresh()  # nothing new
    written(folder, GOOD.replace("every", "evry"))
    assert file.refresh()
    assert file.jobs["forecast"].trigger == Every(timedelta(minutes=5))
    assert "did you mean 'every'?" in str(file.problem)
    written(folder, GOOD.replace("5m", "10m"))
    assert file.refresh()
    assert file.jobs["forecast"].trigger == Every(timedelta(minutes=10))
    assert file.problem is None


def test_a_notebook_that_loses_a_parameter_makes_its_job_wrong(folder):
    file = ScheduleFile(written(folder, GOOD + "parameters = { hours = 48 }\n"))
    file.refresh()
    assert file.problem is None
    write_notebook(folder / "forecast.ipynb", "days = 2")
    assert file.refresh()
    assert "no parameter 'hours'" in str(file.problem)
    assert file.jobs["forecast"].parameters == {"hours": 48}


def test_a_job_that_is_not_there_is_told_with_the_nearest(folder):
    jobs = load(written(folder, GOOD))
    with pytest.raises(NotFound, match="did you mean 'forecast'"):
        find(jobs, "forcast")


def test_parameters_have_defaults_and_comments():
    source = "# what to look at\nhours: int = 24  # how far ahead, hours\nnode = other = 'wéb'  # é\nprint(1)\nx[0] = 1"
    found = parse(source)
    assert {name: (p.default, p.help) for name, p in found.items()} == {
        "hours": ("24", "how far ahead, hours"),
        "node": ("'wéb'", "é"),
        "other": ("'wéb'", "é"),
    }


def test_an_unknown_parameter_is_refused_with_the_known_ones():
    with pytest.raises(Invalid, match="did you mean 'hours'\\? it knows hours, node"):
        check(["hors"], parse("hours = 1\nnode = ''"), "x.ipynb")
    with pytest.raises(Invalid, match="it knows none"):
        check(["hors"], {}, "x.ipynb")


@pytest.mark.parametrize(
    ("text", "said"),
    [("{}", "not a notebook of format 4"), ("[]", "not a notebook"), ("nothing", "not a notebook"), (None, "No such")],
)
def test_what_is_no_notebook_is_told(tmp_path, text, said):
    path = tmp_path / "x.ipynb"
    if text is not None:
        path.write_text(text)
    with pytest.raises(Invalid, match=said):
        known(path)


def test_parameters_that_are_no_python_are_told_with_their_line(tmp_path):
    write_notebook(tmp_path / "x.ipynb", "a = 1\nb = (")
    with pytest.raises(Invalid, match=r"x.ipynb: line 2 of its parameters"):
        known(tmp_path / "x.ipynb")
