"""Logs: kept small, read from their end, followed through renewal."""

import itertools

import pytest

from ckkit.errors import NotFound
from ckkit.up import logs


def test_a_log_is_moved_on_and_the_oldest_goes(tmp_path):
    log = tmp_path / "hub.log"
    for number in range(5):
        log.write_text(f"{number}\n")
        assert logs.rotate(log)
    assert not log.exists()
    assert [p.name for p in sorted(tmp_path.iterdir())] == ["hub.log.1", "hub.log.2", "hub.log.3"]
    assert (tmp_path / "hub.log.1").read_text() == "4\n"


def test_a_small_log_stays(tmp_path):
    log = tmp_path / "hub.log"
    assert not logs.rotate(log)
    log.write_text("x")
    assert not logs.rotate(log, larger_than=1)


def test_a_log_is_cut_while_it_is_written(tmp_path):
    log = tmp_path / "hub.log"
    with log.open("ab") as part:
        part.write(b"old\n" * 10)
        part.flush()
        assert logs.cut(log, larger_than=39)
        part.write(b"new\n")
    assert log.read_text() == "new\n"
    assert (tmp_path / "hub.log.1").read_text() == "old\n" * 10


@pytest.mark.parametrize("length", [1, 100, logs.BLOCK])  # the end is found in one block, or in several
def test_the_last_lines(tmp_path, length):
    log = tmp_path / "hub.log"
    log.write_text("".join(f"{number} {'x' * length}\n" for number in range(20)))
    assert [line.split()[0] for line in logs.tail(log, 3)] == ["17", "18", "19"]
    assert len(logs.tail(log, 100)) == 20
    assert logs.tail(log, 0) == []
    assert logs.tail(tmp_path / "none.log", 3) == []


def test_several_logs_name_their_part(tmp_path):
    (tmp_path / "hub.log").write_text("a\n")
    (tmp_path / "runner.log").write_text("b\n")
    assert list(logs.shown(logs.which(tmp_path, None), 5)) == ["hub     a", "runner  b"]
    assert list(logs.shown(logs.which(tmp_path, "hub"), 5)) == ["a"]


def test_a_part_without_a_log(tmp_path):
    (tmp_path / "hub.log").write_text("a\n")
    with pytest.raises(NotFound, match=r"no log of 'hup' .*: there are hub"):
        logs.which(tmp_path, "hup")


def test_following_goes_on_when_a_log_is_renewed_or_cut_or_appears(tmp_path):
    log, other = tmp_path / "hub.log", tmp_path / "lab.log"
    log.write_text("before\n")

    def append(text):
        with log.open("a") as file:
            file.write(text)

    happenings = iter(
        [
            lambda: append("one\nha"),
            lambda: append("lf\n"),  # a line is told when it is whole
            lambda: (logs.rotate(log), log.write_text("renewed\n")),
            lambda: (logs.cut(log, 0), append("cut\n")),
            lambda: other.write_text("appeared\n"),
        ]
    )
    lines = logs.follow(lambda: logs.which(tmp_path, None), pause=lambda _: next(happenings)())
    assert list(itertools.islice(lines, 5)) == ["one", "half", "renewed", "cut", "lab  appeared"]
