"""One runner a home: a lock that the system lets go of however the process ends."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ckkit.errors import Taken
from ckkit.home import Home


@contextmanager
def only_runner(home: Home) -> Iterator[None]:
    """
    Hold the lock of the home's runner; the file says whose it is.

    Raises:
        Taken: another process holds it; says which.
    """
    path = home.run / "runner.lock"
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            owner = file.read().strip() or "unknown"
            raise Taken(f"process {owner} is the runner of {home.path} already: `ckkit down` stops it") from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def sockets(home: Home) -> Path:
    """
    Return the folder for the kernels' sockets, short and of this home.

    Emptied of what a runner that was killed left there: call it with the lock held.
    """
    folder = home.socket().with_suffix(".k")
    if folder.is_dir():
        for path in folder.iterdir():
            path.unlink(missing_ok=True)
    return folder
