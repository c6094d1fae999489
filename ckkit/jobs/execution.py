"""One run of a notebook: papermill on a warm kernel, and how it ended in one line."""

from concurrent.futures import CancelledError
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import papermill
import structlog
from papermill.exceptions import PapermillExecutionError
from papermill.log import logger as papermill_log

from ckkit.errors import CkkitError
from ckkit.jobs.archive import Kind
from ckkit.jobs.cells import TIMED_OUT
from ckkit.jobs.engine import Evidence
from ckkit.jobs.parameters import Parameters, check, known
from ckkit.jobs.schedulefile import Job
from ckkit.model import Run

log = structlog.get_logger(__name__)

papermill_log.setLevel("CRITICAL")  # it repeats what the executed copy says

ERROR_LENGTH = 500


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended: `state` is "ok", "failed" or "timeout"; `error` is one line; `kernel` says which ran it."""

    state: str
    error: str = ""
    changed: bool | None = None
    kernel: str = ""

    @property
    def kind(self) -> Kind:
        """Why its executed copy is kept."""
        if self.state != "ok":
            return Kind.FAILED
        return Kind.CHANGED if self.changed else Kind.PLAIN


def execute(job: Job, run: Run, copy: Path) -> Ended:
    """
    Run the job's notebook with the run's parameters, write the executed copy, and return how it ended. Never raises.

    Parameters that the notebook does not know are refused here: papermill would run without them. The run's
    `slot` (ISO, "" without one) and `run_id` are given to notebooks that have such parameters.
    """
    evidence = Evidence()
    try:
        parameters = injected(run, known(job.notebook), job.notebook.name)
        papermill.execute_notebook(
            _literal(job.notebook),
            _literal(copy),
            parameters,
            engine_name="ckkit-warm",
            kernel_name="python3",
            language="python",
            progress_bar=False,
            request_save_on_cell_execute=False,
            autosave_cell_every=0,
            execution_timeout=job.cell_timeout.total_seconds() if job.cell_timeout else None,
            deadline=job.timeout.total_seconds(),
            evidence=evidence,
        )
    except PapermillExecutionError as error:
        state = "timeout" if error.ename == TIMED_OUT else "failed"
        return Ended(
            state, _line(f"cell {error.cell_index + 1}: {error.ename}: {error.evalue}"), kernel=evidence.kernel
        )
    except CancelledError:
        return Ended("failed", "the runner was stopped", kernel=evidence.kernel)
    except CkkitError as error:
        return Ended("failed", _line(str(error)), kernel=evidence.kernel)
    except Exception as error:  # the border of the job runner: it becomes the run's recorded error
        log.exception("run broke", job=job.name)
        return Ended("failed", _line(f"{type(error).__name__}: {error}"), kernel=evidence.kernel)
    return Ended("ok", changed=evidence.changed, kernel=evidence.kernel)


def injected(run: Run, parameters: Parameters, notebook: str) -> dict[str, Any]:
    """Return what a notebook with these `parameters` is given. Raises Invalid for one that it does not know."""
    check(run.parameters, parameters, notebook)
    offered = {"slot": run.slot.isoformat() if run.slot else "", "run_id": run.run_id}
    return {**{name: value for name, value in offered.items() if name in parameters}, **run.parameters}


def _literal(path: Path) -> str:
    """papermill formats a path with the parameters: braces in it must be doubled."""
    return str(path).replace("{", "{{").replace("}", "}}")


def _line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= ERROR_LENGTH else line[: ERROR_LENGTH - 1] + "…"
