"""
What the runner leaves out: optional imports of its libraries that it never uses.

papermill would load pyarrow to read notebooks from HDFS (40 MB); jsonschema, which
checks a notebook's form, would compile a grammar of internationalised addresses (1.4 s
of a processor, 10 MB); structlog would load rich to draw tracebacks. Each of them goes
on without, as where the module is not installed.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

UNUSED = ("pyarrow", "rfc3987_syntax", "rich")


@contextmanager
def without(*modules: str) -> Iterator[None]:
    """Have imports of these modules fail inside the block, as if they were not installed. Those loaded before stay."""
    left_out = [name for name in modules if name not in sys.modules]
    for name in left_out:
        sys.modules[name] = None  # type: ignore[assignment]  # what the import system takes for "not there"
    try:
        yield
    finally:
        for name in left_out:
            sys.modules.pop(name, None)
