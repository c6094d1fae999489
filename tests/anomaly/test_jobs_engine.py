"""What notebooks do to the kernels they run on: each failure is recorded, and the next run is fine."""

import os
import threading
import time
from datetime import UTC, datetime, timedelta

import nbformat
import psutil
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from ckkit.jobs.cells import OUTPUT_LIMIT, settle
from ckkit.jobs.engine import WarmEngine
from ckkit.jobs.execution import execute
from ckkit.jobs.pool import Pool
from ckkit.jobs.schedulefile import Job
from ckkit.jobs.triggers import Every
from ckkit.model import Run


@pytest.fixture(scope="module")
def kernels(tmp_path_factory):
    folder = tmp_path_factory.mktemp("k")
    work = tmp_path_factory.mktemp("cwd")
    pool = Pool(folder, cwd=work, max_runs=50)
    WarmEngine.use(pool)
    yield pool
    WarmEngine.use(None)
    pool.close()
    assert not folder.exists()  # its sockets, too


@pytest.fixture
def run(kernels, tmp_path):
    """Run a notebook of these cells; return how it ended and its executed copy."""

    def run(*cells, name="it", timeout=5.0, cell_timeout=None, **parameters):
        path = tmp_path / f"{name}.ipynb"
        tagged = new_code_cell("slot = ''\nrun_id = ''\nn = 1", metadata={"tags": ["parameters"]})
        nbformat.write(new_notebook(cells=[tagged, *map(new_code_cell, cells)]), path)
        job = Job(
            name=name,
            notebook=path,
            trigger=Every(timedelta(seconds=10)),
            timeout=timedelta(seconds=timeout),
            cell_timeout=timedelta(seconds=cell_timeout) if cell_timeout else None,
        )
        now = datetime(2026, 11, 24, 10, tzinfo=UTC)
        record = Run(run_id="r1", job=name, notebook=path.name, state="running", started=now, slot=now)
        copy = tmp_path / f"{name}-copy.ipynb"
        ended = execute(job, Run(**{**_fields(record), "parameters": parameters}), copy)
        return ended, nbformat.read(copy, 4) if copy.exists() else None

    return run


def _fields(record):
    return {name: getattr(record, name) for name in record.__slots__}


def outputs(notebook):
    return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]


def test_a_run_is_given_its_slot_its_id_and_its_parameters(run):
    ended, notebook = run("print(slot, run_id, n)", n=7)
    assert (ended.state, ended.error) == ("ok", "")
    assert outputs(notebook)[0].text == "2026-11-24T10:00:00+00:00 r1 7\n"


def test_an_unknown_parameter_is_refused_before_anything_runs(run, tmp_path):
    ended, notebook = run("open('ran', 'w')", nn=7)
    assert ended.state == "failed"
    assert "it.ipynb has no parameter 'nn': did you mean 'n'? it knows slot, run_id, n" in ended.error
    assert notebook is None


FAILURES = [
    ("an exception", ["1 / 0", "1"], "failed", "ZeroDivisionError: division by zero"),
    ("no Python", ["for"], "failed", "SyntaxError"),
    ("an endless cell", ["while True: pass"], "timeout", "TimedOut: the cell was not done after 0.5 s"),
    ("an endless call in C", ["import ctypes; ctypes.CDLL(None).sleep(60)"], "timeout", "not done after 0.5 s"),
    ("a lock held in C", ["import re; re.match('(a+)+$', 'a' * 60 + 'b')"], "timeout", "not done after 0.5 s"),
    (
        "an interrupt caught",
        ["while True:\n try:\n  while True: pass\n except BaseException: pass"],
        "timeout",
        "0.5 s",
    ),
    ("its kernel killed", ["import os; os.kill(os.getpid(), 9)"], "failed", "DeadKernelError: the kernel ended"),
    ("the end of its process", ["import os; os._exit(3)"], "failed", "DeadKernelError: the kernel ended"),
    ("an error of 100 kB", ["raise ValueError('x' * 100_000)"], "failed", "ValueError: xxx"),
]


@pytest.mark.parametrize(("cells", "state", "said"), [f[1:] for f in FAILURES], ids=[f[0] for f in FAILURES])
def test_a_failure_is_told_and_kept_and_the_next_run_is_fine(run, kernels, cells, state, said):
    began = time.monotonic()
    ended, notebook = run(*cells, cell_timeout=0.5)
    assert time.monotonic() - began < 4
    assert ended.state == state
    assert said in ended.error
    assert len(ended.error) <= 500
    errors = [output for output in outputs(notebook) if output.output_type == "error"]
    assert errors[-1].ename == ended.error.split(": ")[1]
    again, _ = run("assert 'x' not in globals()", name="next")
    assert again.state == "ok"
    assert again.kernel.split(",")[0] != ended.kernel.split(",")[0]


def test_a_run_deadline_holds_between_cells_and_within_them(run):
    began = time.monotonic()
    ended, notebook = run(*["import time; time.sleep(0.4)"] * 9, timeout=1.0)
    assert 0.9 < time.monotonic() - began < 2.5
    assert (ended.state, "the notebook was not done after 1 s" in ended.error) == ("timeout", True)
    states = [cell.metadata.papermill.status for cell in notebook.cells if cell.cell_type == "code"]
    assert "failed" in states and states[-1] == "pending"


@pytest.mark.parametrize("said", ["exit()", "quit()", "import sys; sys.exit()"])
def test_a_notebook_that_ends_its_kernel_does_not_hurt_the_next(run, said):
    first, _ = run(said, name="ends")
    assert first.state == "ok"
    time.sleep(0.3)
    assert run("1", name="ends")[0].state == "ok"


@pytest.mark.parametrize(
    "cell", ["for _ in range(1000): print('x' * 100_000)", "print('x' * 100_000_000)"], ids=["lines", "one line"]
)
def test_a_hundred_megabytes_printed_are_cut_and_stop_nobody(run, kernels, cell):
    before = psutil.Process().memory_info().rss
    ended, notebook = run(cell, "done = True", name="loud", timeout=30)
    assert ended.state == "ok"
    text = "".join(output.text for output in outputs(notebook))
    assert OUTPUT_LIMIT <= len(text) < OUTPUT_LIMIT + 200
    assert text.endswith("[ckkit: what this run shows beyond 2,000,000 characters is dropped]\n")
    assert run("1", name="quiet")[0].state == "ok"
    assert psutil.Process().memory_info().rss - before < 150_000_000


def test_a_hundred_megabytes_displayed_are_cut(run):
    cell = "from IPython.display import HTML, display\nfor _ in range(30): display(HTML('x' * 1_000_000))\nprint('end')"
    ended, notebook = run(cell, name="large", timeout=30)
    assert ended.state == "ok"
    assert len(str(notebook)) < 3_000_000


def test_one_long_line_does_not_stop_the_others(run, kernels):
    began = time.monotonic()
    ended, _ = run("print('x' * 1_900_000)", "1", name="long")
    assert ended.state == "ok"
    assert time.monotonic() - began < 3  # nbclient's own way to join streams takes minutes


def test_progress_bars_leave_their_last_state():
    assert settle("a\rb\rc\n\r\nd") == "c\n\nd"


def test_nothing_of_a_run_is_seen_by_the_next_on_the_same_kernel(run):
    dirty = [
        "import builtins, os, sys, warnings\nos.chdir('/'); os.environ['LEAK'] = '1'; sys.path.insert(0, '/leak')",
        "leak = 1; builtins.leak2 = 2; builtins.sum = None; warnings.simplefilter('error')",
        "changed = True",
    ]
    look = [
        "import os, sys, warnings\nassert os.getcwd() != '/' and 'LEAK' not in os.environ and '/leak' not in sys.path",
        "assert 'leak' not in globals() and sum([1]) == 1",
        "try: leak2\nexcept NameError: pass\nelse: raise SystemError",
        "assert not [f for f in warnings.filters if f[0] == 'error' and f[2] is Warning]",
    ]
    first, _ = run(*dirty, name="same")
    second, _ = run(*look, name="same")
    assert (first.state, first.changed) == ("ok", True)
    assert (second.state, second.error, second.changed) == ("ok", "", None)
    assert first.kernel.split(",")[0] == second.kernel.split(",")[0]


def test_a_notebook_that_deletes_everything_it_sees_is_survived(run):
    ended, _ = run("for name in list(globals()): del globals()[name]", name="wiper")
    assert ended.state == "ok"
    assert run("1", name="wiper")[0].state == "ok"


@pytest.mark.parametrize(
    ("what", "cell"),
    [
        ("thread", "import threading, time; threading.Thread(target=time.sleep, args=(9,), name='leaker').start()"),
        ("task", "import asyncio\nasync def forever(): await asyncio.sleep(99)\nt = asyncio.ensure_future(forever())"),
        ("process", "import subprocess; p = subprocess.Popen(['sleep', '99'])"),
    ],
)
def test_a_kernel_with_something_left_in_it_is_dropped_with_what_is_left(run, kernels, what, cell):
    ended, _ = run(cell, "import os; print(os.getpid())", name=what)
    assert ended.state == "ok"
    pid = int(ended.kernel.split()[1].strip(","))
    assert pid not in kernels.pids
    assert _gone(pid)


def test_a_kernel_is_dropped_after_so_many_runs(tmp_path):
    pool = Pool(tmp_path / "k", max_runs=2, spare=False)
    try:
        pids = []
        for _ in range(4):
            kernel = pool.call(pool.take("it"))
            pids.append(kernel.pid)
            pool.call(pool.give(kernel, clean=True))
        assert pids[0] == pids[1] != pids[2] == pids[3]
    finally:
        pool.close()


def test_a_warm_kernel_that_dies_between_runs_is_replaced(tmp_path):
    pool = Pool(tmp_path / "k", spare=False)
    try:
        first = pool.call(pool.take("it"))
        pool.call(pool.give(first, clean=True))
        os.kill(first.pid, 9)
        assert _gone(first.pid)
        time.sleep(0.5)  # until its parent knows it too
        second = pool.call(pool.take("it"))
        assert second.pid != first.pid
        assert pool.call(pool.give(second, clean=True)).left == ()
    finally:
        pool.close()


def test_at_rest_there_are_two_kernels_whatever_ran_at_once(kernels):
    taken = [kernels.call(kernels.take(f"n{n}")) for n in range(4)]
    for kernel in taken:
        kernels.call(kernels.give(kernel, clean=True))
    deadline = time.monotonic() + 10
    while (len(kernels.pids) != 2 or _alive(taken) > 1) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(kernels.pids) == 2
    assert _alive(taken) <= 1


def _alive(taken):
    return sum(psutil.pid_exists(kernel.pid) for kernel in taken)


def test_a_long_run_does_not_delay_a_short_one(run, kernels, tmp_path):
    pool = Pool(tmp_path / "k")
    WarmEngine.use(pool)
    try:
        run("1", name="short")
        long = threading.Thread(target=run, args=("import time; time.sleep(3)",), kwargs={"name": "long"})
        long.start()
        time.sleep(0.3)
        began = time.monotonic()
        assert run("1", name="short")[0].state == "ok"
        assert time.monotonic() - began < 1
        long.join()
    finally:
        WarmEngine.use(kernels)
        pool.close()


def _gone(pid: int) -> bool:
    deadline = time.monotonic() + 3
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
