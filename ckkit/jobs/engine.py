"""
`ckkit-warm`: the engine that lets papermill run a notebook on a kernel that is warm already.

Registered by the entry point `papermill.engine`. papermill imports this module while
it imports itself, so nothing of papermill may be imported at the top here: the engine
has the shape of `papermill.engines.Engine` without inheriting from it, and runs the
cells in a module of its own.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ckkit.errors import CkkitError

if TYPE_CHECKING:
    from ckkit.jobs.pool import Pool


@dataclass(slots=True)
class Evidence:
    """What the engine tells of a run beside its notebook: the kernel, and the notebook's own `changed`."""

    kernel: str = ""
    changed: bool | None = None


class WarmEngine:
    """papermill's engine on the kernels of `use(pool)`. Several notebooks may run at once, one a thread."""

    pool: "Pool | None" = None

    @classmethod
    def use(cls, pool: "Pool | None") -> None:
        """Say which kernels to run on, before the first notebook."""
        cls.pool = pool

    @classmethod
    def execute_notebook(
        cls,
        nb: Any,
        kernel_name: str,
        output_path: str | None = None,
        progress_bar: bool | dict[str, Any] = False,
        log_output: bool = False,
        autosave_cell_every: int = 0,
        **options: Any,
    ) -> Any:
        """Run every cell of `nb`, in place, and return it; as papermill's own engines do."""
        from papermill.engines import NotebookExecutionManager

        manager = NotebookExecutionManager(
            nb,
            output_path=output_path,
            progress_bar=progress_bar,
            log_output=log_output,
            autosave_cell_every=autosave_cell_every,
        )
        manager.notebook_start()
        try:
            cls.execute_managed_notebook(manager, kernel_name, **options)
        finally:
            manager.cleanup_pbar()
            manager.notebook_complete()
        return manager.nb

    @classmethod
    def execute_managed_notebook(
        cls,
        nb_man: Any,
        kernel_name: str,
        *,
        input_path: str = "",
        execution_timeout: float | None = None,
        deadline: float | None = None,
        evidence: Evidence | None = None,
        **_other_engines_options: Any,
    ) -> None:
        """Run the cells. `deadline` is seconds from now; `evidence` is filled in."""
        if cls.pool is None:
            raise CkkitError("the engine ckkit-warm has no kernels: it runs in the runner, after WarmEngine.use(pool)")
        from ckkit.jobs.cells import Limits, run_notebook

        limits = Limits(cell_s=execution_timeout, run_s=deadline)
        cls.pool.call(run_notebook(cls.pool, nb_man, input_path, limits, evidence or Evidence()))

    @classmethod
    def nb_kernel_name(cls, nb: Any, name: str | None = None) -> str:
        """Whatever a notebook's kernel is called, ours is the one. Raises CkkitError for one that is not Python."""
        cls.nb_language(nb)
        return name or "python3"

    @classmethod
    def nb_language(cls, nb: Any, language: str | None = None) -> str:
        """The language of the notebook; only Python runs. Raises CkkitError for another."""
        written = nb.metadata.get("kernelspec", {}).get("language") or nb.metadata.get("language_info", {}).get("name")
        if (written or "python") != "python":
            raise CkkitError(f"the notebook is written in {written}: scheduled notebooks are Python")
        return "python"
