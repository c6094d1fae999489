"""The store: DuckDB, and nobody else's business. `Store` is the door; `statement` reads `sql/<name>.sql`."""

from ckkit.store.statements import statement
from ckkit.store.store import Store
from ckkit.store.transaction import Tx

__all__ = ["Store", "Tx", "statement"]
