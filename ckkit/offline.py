"""Opening a store file without its hub: the one place on the client's side that reaches the store."""

from pathlib import Path

from ckkit.errors import NotFound
from ckkit.kit.kit import Kit
from ckkit.kit.offline import Offline


def open_file(where: str | Path) -> Kit:
    """
    Return a kit on a store file, which is this process's own until `kit.close()`; nothing can be written through it.

    A file of an older ckkit is brought up to date, after a copy of it was made in `backups` beside it.

    Raises:
        NotFound: there is no such file. StoreLocked: a hub owns it. StoreDamaged, StoreNewer: it cannot be read.
    """
    from ckkit.store import Store
    from ckkit.wire import StoreWire

    path = Path(where).expanduser().absolute()
    if not path.is_file():
        raise NotFound(f"there is no store file {path}: without an argument, `ckkit.open()` uses the running hub")
    store = Store.open(path, backups=path.parent / "backups")
    return Kit(Offline(StoreWire(store), str(path), store.close), f"the file {path}")
