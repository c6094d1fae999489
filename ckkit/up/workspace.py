"""
`ckkit init DIR`: a workspace of one's own, made from the originals that come with ckkit.

So that upgrading is not merging: the originals change with ckkit, the copy is its owner's.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

import ckkit
from ckkit.errors import Invalid, NotFound

FILE = "ckkit.toml"
FOLDERS = ("monitors", "scheduled", "notebooks", "voila_apps")
NOT_COPIED = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints", ".*")


def originals(package: Path | None = None) -> Path:
    """Return the folder of the originals: inside an installed package, else the clone that it runs from."""
    root = package or Path(ckkit.__file__).parent
    for folder in (root / "workspace", root.parent):
        if (folder / FILE).is_file():
            return folder
    raise NotFound(f"neither {root / 'workspace'} nor {root.parent} has a {FILE} to copy: install ckkit again")


def init(target: Path, source: Path | None = None) -> Sequence[Path]:
    """
    Make a workspace at `target`, which may exist; return what was made.

    Raises:
        Invalid: it, or a folder above it, has something of a workspace already: nothing is overwritten, nothing made.
    """
    source, target = source or originals(), target.expanduser().absolute()
    names = [FILE, *(name for name in FOLDERS if (source / name).is_dir())]
    if there := [name for name in names if (target / name).exists()]:
        raise Invalid(
            f"{target} has {', '.join(there)} already, nothing was written: give another folder, or move them away"
        )
    if target.exists() and not target.is_dir():
        raise Invalid(f"{target} is a file: give the name of a folder")
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Invalid(f"{target} cannot be made: {error.strerror}; give another folder") from None
    for name in names[1:]:
        shutil.copytree(source / name, target / name, ignore=NOT_COPIED)
    # Last: without it the folder is no workspace, so one that was interrupted is not mistaken for one.
    shutil.copyfile(source / FILE, target / FILE)
    return [target / name for name in names]
