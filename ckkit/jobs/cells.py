"""
The cells of a notebook, run one after the other on a warm kernel.

A run has two limits, and both hold whatever the notebook does, an endless call in C
included: one for each cell, one for all of them. What a run shows is cut after
`OUTPUT_LIMIT` characters. How a run ended is written into its executed copy as an
error output of the cell that was running.
"""

import asyncio
import time
from dataclasses import dataclass
from typing import Any

from nbclient.exceptions import CellExecutionError, DeadKernelError
from nbformat.v4 import new_output
from papermill.clientwrap import PapermillNotebookClient
from papermill.log import logger

from ckkit.jobs.engine import Evidence
from ckkit.jobs.pool import Kernel, Pool

OUTPUT_LIMIT = 2_000_000
ERROR_LIMIT = 20_000
TIMED_OUT = "TimedOut"
"""The `ename` of the error output of a cell or run that took too long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Seconds, or None for no limit."""

    cell_s: float | None
    run_s: float | None


async def run_notebook(pool: Pool, nb_man: Any, notebook: str, limits: Limits, evidence: Evidence) -> None:
    """Run a notebook in place. A cell that fails ends it and is marked, as papermill expects; nothing is raised."""
    end = None if limits.run_s is None else time.monotonic() + limits.run_s
    kernel = await pool.take(notebook)
    evidence.kernel = str(kernel)
    clean = False
    try:
        clean = await _run_cells(nb_man, kernel, limits, end)
    finally:
        wiped = await pool.give(kernel, clean=clean)
        evidence.changed = wiped.changed


async def _run_cells(nb_man: Any, kernel: Kernel, limits: Limits, end: float | None) -> bool:
    """Run the cells one after the other until one fails; True when none did and the kernel is alive."""
    client = _Client(nb_man, km=kernel.manager, kernel_name="ckkit", log=logger, coalesce_streams=False)
    client.kc = kernel.client
    client.owns_km = False
    for index, cell in enumerate(nb_man.nb.cells):
        nb_man.cell_start(cell, index)
        try:
            error = await _run_cell(client, cell, index, _left(limits, end))
            if isinstance(error, TimeoutError) and not await kernel.manager.is_alive():
                error = DeadKernelError()
            if error is not None:
                nb_man.cell_exception(cell, cell_index=index, exception=error)
                _write_error(cell, error, limits, end)
                return False
        finally:
            for output in cell.get("outputs", []):
                if output.output_type == "stream":
                    output.text = settle(output.text)
            nb_man.cell_complete(cell, cell_index=index)
    client.set_widgets_metadata()
    return bool(await kernel.manager.is_alive())


def _left(limits: Limits, end: float | None) -> float | None:
    """How long the next cell may take, in seconds: until its own limit or the end of the run, whichever is first."""
    left = [limits.cell_s] if limits.cell_s is not None else []
    if end is not None:
        left.append(max(0.0, end - time.monotonic()))
    return min(left, default=None)


async def _run_cell(client: Any, cell: Any, index: int, left: float | None) -> Exception | None:
    """
    Run one cell for at most `left` seconds; return how it failed, or None.

    Neither nbclient's own time-out nor `asyncio.wait_for`: the one is a whole number of seconds, and the other's
    cancellation is taken for a dead kernel by nbclient.
    """
    task = asyncio.ensure_future(client.async_execute_cell(cell, index))
    done, _ = await asyncio.wait({task}, timeout=left)
    if not done:
        task.cancel()
        await asyncio.wait({task})
        task.cancelled() or task.exception()  # looked at, or asyncio complains
        return TimeoutError()
    error = task.exception()
    if error is not None and not isinstance(error, Exception):
        raise error
    return error


def _write_error(cell: Any, error: Exception, limits: Limits, end: float | None) -> None:
    """Add an error output for what the kernel could not tell itself: it was too slow, or dead."""
    if isinstance(error, CellExecutionError):
        return
    name, text = type(error).__name__, str(error).strip().split("\n")[0]
    if isinstance(error, TimeoutError) and end is not None and time.monotonic() >= end:
        name, text = TIMED_OUT, f"the notebook was not done after {limits.run_s:g} s (`timeout` in schedule.toml)"
    elif isinstance(error, TimeoutError):
        name, text = TIMED_OUT, f"the cell was not done after {limits.cell_s:g} s (`cell_timeout` in schedule.toml)"
    elif isinstance(error, DeadKernelError):
        text = "the kernel ended while the cell ran: it was killed (out of memory?), or the notebook ended it"
    cell.outputs.append(_output("error", ename=name, evalue=text, traceback=[f"{name}: {text}"]))


class _Client(PapermillNotebookClient):  # type: ignore[misc]  # papermill is not typed
    """
    papermill's notebook client, with an end to what it keeps of what a run shows.

    `coalesce_streams` stays off: its regular expressions are quadratic in the length of a line, and a run that
    prints one long line would stop the loop, and with it every other run, for minutes.
    """

    seen = 0

    def process_message(self, msg: Any, cell: Any, cell_index: int) -> Any:
        size, left = _size(msg), OUTPUT_LIMIT - self.seen
        self.seen += size
        if size == 0 or size <= left:
            return None if _continues(msg, cell) else super().process_message(msg, cell, cell_index)
        if left > 0 and msg["msg_type"] == "stream":
            msg["content"]["text"] = msg["content"]["text"][:left]
            _continues(msg, cell) or super().process_message(msg, cell, cell_index)
        if left >= 0:  # the first that does not fit
            said = f"[ckkit: what this run shows beyond {OUTPUT_LIMIT:,} characters is dropped]\n"
            cell.outputs.append(_output("stream", name="stderr", text=said))
        return None


def _continues(msg: Any, cell: Any) -> bool:
    """Add a stream's text to the output before it when that is of the same stream; say whether it was."""
    last = cell.outputs[-1] if cell.outputs else None
    if msg["msg_type"] != "stream" or last is None or last.get("name") != msg["content"]["name"]:
        return False
    last["text"] += msg["content"]["text"]
    return True


def settle(text: str) -> str:
    """
    Return a stream's text as a terminal would leave it: what a carriage return wrote over is gone.

    >>> settle("10 %\\r 50 %\\r100 %\\ndone\\r\\n")
    '100 %\\ndone\\n'
    """
    if "\r" not in text:
        return text
    return "\n".join(line.rstrip("\r").rsplit("\r", 1)[-1] for line in text.split("\n"))


def _output(kind: str, **fields: Any) -> Any:
    return new_output(kind, **fields)  # type: ignore[no-untyped-call]


def _size(msg: Any) -> int:
    """How many characters the message adds to the notebook. An error is cut here, and counts nothing: it is shown."""
    content = msg["content"]
    if msg["msg_type"] == "error":
        content["evalue"] = content["evalue"][:ERROR_LIMIT]
        content["traceback"] = [line[:ERROR_LIMIT] for line in content["traceback"][-50:]]
        return 0
    if msg["msg_type"] == "stream":
        return len(content["text"])
    data = content.get("data") or {}
    return sum(len(value) if isinstance(value, str) else len(str(value)) for value in data.values())
