"""The JavaScript and the style of the widgets: text files in `js/`, put together for the browser."""

from functools import cache
from importlib.util import find_spec
from pathlib import Path

from ckkit.errors import CkkitError

JS = Path(__file__).parent / "js"
CSS = JS / "widgets.css"


@cache
def script(*names: str) -> str:
    """Return files of `js/` as one module, in this order: a browser gets a widget's module whole."""
    return "\n".join((JS / f"{name}.js").read_text() for name in names)


def plotly_js() -> Path:
    """Return where plotly.js lies; found without importing plotly, which is heavy."""
    spec = find_spec("plotly")
    if spec is None or not spec.submodule_search_locations:
        raise CkkitError("plotly is not installed: `pip install ckkit[lab]`")
    return Path(next(iter(spec.submodule_search_locations))) / "package_data" / "plotly.min.js"
