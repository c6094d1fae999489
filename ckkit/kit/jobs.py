"""`kit.jobs`: scheduled notebooks, and their runs."""

from collections.abc import Mapping
from typing import Any

from ckkit.kit.asking import Namespace
from ckkit.kit.lists import Rows, RunList
from ckkit.model import Run


class Jobs(Namespace):
    """`kit.jobs.run("disk_forecast", hours=24)`, `kit.jobs.runs("disk_forecast")`."""

    def list(self) -> Rows:
        """Return the jobs of scheduled/schedule.toml: when each runs, its parameters, its last run and the next."""
        return Rows.of(self._ask("jobs.list", tuple[dict[str, Any], ...]), "no job: scheduled/schedule.toml holds them")

    def problems(self) -> Rows:
        """Return what is wrong with scheduled/schedule.toml: file, line, message."""
        return Rows.of(self._ask("jobs.problems", tuple[dict[str, Any], ...]), "the schedule is fine")

    def run(self, job: str, parameters: Mapping[str, Any] | None = None, /, **more: Any) -> str:
        """
        Ask for one run now, with parameters of the notebook, and return the run's id; `runs` tells how it ended.

        Raises:
            NotFound: no such job. Invalid: the notebook has no such parameter.
        """
        given = {**(parameters or {}), **more}
        return str(self._ask("jobs.run", dict[str, Any], name=job, parameters=given)["run_id"])

    def runs(self, job: str | None = None, limit: int = 50) -> RunList:
        """Return the newest runs, of one job where it is given."""
        return RunList(self._ask("runs.list", tuple[Run, ...], job=job, limit=limit))

    def __repr__(self) -> str:
        return repr(self.list())

    def _repr_html_(self) -> str:
        return self.list()._repr_html_()
