"""Which executed copies are kept, and why the others go."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from ckkit.jobs.archive import PLAIN, Archive, Copy, Kind, Why, removals

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)


def copy(age: timedelta, kind: Kind = Kind.PLAIN, *, job: str = "evaluate", size: int = 1000, run: str = "a") -> Copy:
    return Copy(job, NOW - age, kind, run, size)


def test_of_the_copies_that_tell_nothing_the_last_fifty_are_kept():
    copies = [copy(timedelta(seconds=10 * n)) for n in range(PLAIN + 3)]
    assert removals(copies, NOW) == dict.fromkeys(copies[-3:], Why.MANY)


def test_each_job_has_fifty_of_its_own():
    copies = [copy(timedelta(seconds=n), job=job) for n in range(PLAIN) for job in ("a", "b")]
    assert removals(copies, NOW) == {}


def test_what_changed_or_failed_is_kept_for_thirty_days():
    kept = [copy(timedelta(days=29), kind) for kind in (Kind.CHANGED, Kind.FAILED)]
    old = [copy(timedelta(days=31), kind) for kind in (Kind.CHANGED, Kind.FAILED)]
    assert removals([copy(timedelta(0)), *kept, *old], NOW) == dict.fromkeys(old, Why.OLD)


def test_a_job_may_keep_its_own_for_longer():
    old = copy(timedelta(days=31), Kind.CHANGED)
    assert removals([copy(timedelta(0)), old], NOW, {"evaluate": timedelta(days=90)}) == {}


def test_the_newest_copy_of_a_job_stays_however_old():
    assert removals([copy(timedelta(days=400), Kind.FAILED)], NOW) == {}


def test_too_much_loses_the_least_telling_first_and_of_those_the_oldest():
    plain = [copy(timedelta(minutes=n), size=40) for n in (1, 2, 3)]
    changed = [copy(timedelta(hours=n), Kind.CHANGED, size=40) for n in (1, 2)]
    failed = copy(timedelta(days=1), Kind.FAILED, size=40)
    gone = removals([*plain, *changed, failed], NOW, limit=120)
    assert gone == dict.fromkeys((plain[2], plain[1], changed[1]), Why.LARGE)


def test_the_copy_of_a_run_that_never_ended_goes_after_a_day():
    abandoned, under_way = copy(timedelta(days=2), Kind.RUNNING), copy(timedelta(minutes=5), Kind.RUNNING)
    assert removals([abandoned, under_way, copy(timedelta(0))], NOW) == {abandoned: Why.ABANDONED}


COPIES = st.lists(
    st.builds(
        lambda job, minutes, kind, size, run: Copy(job, NOW - timedelta(minutes=minutes), kind, f"{run:x}", size),
        st.sampled_from("abc"),
        st.integers(0, 60 * 24 * 60),
        st.sampled_from(list(Kind)),
        st.integers(1, 100),
        st.integers(0, 10**9),
    ),
    unique=True,
    max_size=60,
)


@given(COPIES, st.integers(0, 3000))
def test_what_is_left_fits_and_leaves_nothing_more_to_remove(copies, limit):
    gone = removals(copies, NOW, limit=limit, plain=5)
    stays = [c for c in copies if c not in gone]
    assert removals(stays, NOW, limit=limit, plain=5) == {}
    ended = [c for c in stays if c.kind is not Kind.RUNNING]
    assert sum(c.size for c in ended) <= limit or len(ended) == len({c.job for c in ended})
    assert {c.job for c in ended} == {c.job for c in copies if c.kind is not Kind.RUNNING}


def test_a_copy_is_written_renamed_listed_and_removed(tmp_path):
    archive = Archive(tmp_path)
    for n in range(PLAIN + 2):
        path = archive.start("evaluate", NOW + timedelta(seconds=10 * n), f"{n:012x}")
        path.write_text("{}")
        assert archive.finish(path, Kind.PLAIN).startswith(f"evaluate/20261124T10{n // 6:02}{n % 6}0Z-plain-")
    (tmp_path / "evaluate" / "mine.ipynb").write_text("not one of ours")
    gone = archive.prune(NOW + timedelta(hours=1))
    assert sorted(c.run for c in gone) == [f"{n:012x}" for n in (0, 1)]
    assert len(archive.copies()) == PLAIN
    assert (tmp_path / "evaluate" / "mine.ipynb").exists()


def test_a_run_that_wrote_nothing_has_no_copy(tmp_path):
    archive = Archive(tmp_path)
    assert archive.finish(archive.start("evaluate", NOW, "a"), Kind.FAILED) == ""
