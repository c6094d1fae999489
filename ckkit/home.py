"""
The home: what must not be in git. The store, logs, executed copies, tokens, and where the running parts answer.

    ~/.ckkit/                 0700, or CKKIT_HOME
    ├── store/ckkit.duckdb
    ├── backups/              copies of the store, made before a migration
    ├── runs/<job>/           executed notebooks
    ├── logs/<part>.log
    ├── run/<part>.json       a running part: pid, address, since when
    └── tokens.toml           0600: one token a role

Files here are replaced by a rename, so a reader sees the old one or the new one.
"""

import hashlib
import json
import os
import secrets
import stat
import tempfile
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ckkit.errors import ConfigError, Refused

SOCKET_PATH_LIMIT = 107  # bytes; sun_path of unix(7) less its final zero
ROLES = ("admin", "operator", "viewer", "agent")


@dataclass(frozen=True, slots=True)
class Home:
    """The folder of one installation and the names of what lies in it."""

    path: Path

    @classmethod
    def find(cls, env: Mapping[str, str] = os.environ) -> "Home":
        """
        Return the home of CKKIT_HOME, else `~/.ckkit`; made, with mode 0700, where it is missing.

        Raises:
            ConfigError: it cannot be made or written, or it is somebody else's.
        """
        path = Path(env.get("CKKIT_HOME") or "~/.ckkit").expanduser().absolute()
        home = cls(path)
        try:
            for folder in (path, home.run, home.logs, home.runs, home.backups, home.store.parent):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not os.access(path, os.W_OK):
                raise PermissionError(13, "Permission denied")
        except OSError as error:
            raise ConfigError(
                f"the home {path} cannot be written ({error.strerror}): "
                f"give it to {_user()} (chown), or set CKKIT_HOME to a folder of yours"
            ) from None
        return home

    @property
    def store(self) -> Path:
        return self.path / "store" / "ckkit.duckdb"

    @property
    def run(self) -> Path:
        return self.path / "run"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def runs(self) -> Path:
        return self.path / "runs"

    @property
    def backups(self) -> Path:
        return self.path / "backups"

    @property
    def tokens(self) -> Path:
        return self.path / "tokens.toml"

    def socket(self) -> Path:
        """
        Return the path for the hub's socket: in a folder of mode 0700 that is short enough for a unix socket.

        `$XDG_RUNTIME_DIR`, else a folder under the temporary one that is named by the user and a hash of the home.
        Raises Refused where that folder is not ours.
        """
        name = hashlib.sha256(bytes(self.path)).hexdigest()[:12]
        base = os.environ.get("XDG_RUNTIME_DIR")
        ours = f"ckkit-{os.getuid()}"
        usable = base is not None and os.access(base, os.W_OK)
        folder = Path(base or "") / "ckkit" if usable else Path(tempfile.gettempdir()) / ours
        if len(bytes(folder / f"{name}.sock")) > SOCKET_PATH_LIMIT:
            folder = Path("/tmp") / ours  # a folder that anybody may make: owner and mode are checked below
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.lstat()
        if status.st_uid != os.getuid() or stat.S_IMODE(status.st_mode) & 0o077 or not stat.S_ISDIR(status.st_mode):
            raise Refused(f"{folder} is not a folder of {_user()} alone (mode 0700): remove it, or set XDG_RUNTIME_DIR")
        return folder / f"{name}.sock"

    def part(self, name: str) -> dict[str, Any] | None:
        """Return what the part `name` announced (`pid`, `started`, `url`, `socket` …), or None where it did not."""
        try:
            found: dict[str, Any] = json.loads((self.run / f"{name}.json").read_bytes())
        except (OSError, ValueError):
            return None
        return found

    def announce(self, name: str, **facts: Any) -> None:
        """Say how the part `name` is reached. Replaces what it said before."""
        replace_file(self.run / f"{name}.json", json.dumps({"pid": os.getpid(), **facts}))

    def withdraw(self, name: str) -> None:
        """Take back what `announce` said, when it was this process that said it."""
        found = self.part(name)
        if found and found.get("pid") == os.getpid():
            (self.run / f"{name}.json").unlink(missing_ok=True)

    def token(self, role: str = "admin") -> str:
        """Return the token of a role. The file is made, with a token a role, at the first call; it must be 0600."""
        return self.all_tokens()[role]

    def all_tokens(self) -> dict[str, str]:
        """Return the tokens by role. Raises Refused where others may read the file, ConfigError where it is spoilt."""
        if not self.tokens.exists():
            lines = [f'{role} = "{secrets.token_urlsafe(24)}"' for role in ROLES]
            lines.insert(0, "# The tokens of this ckkit. Whoever has one has its role.")
            create_file(self.tokens, "\n".join(lines) + "\n")
        if stat.S_IMODE(self.tokens.stat().st_mode) & 0o077:
            raise Refused(f"{self.tokens} can be read by others: chmod 600 it")
        try:
            found = tomllib.loads(self.tokens.read_text())
        except (tomllib.TOMLDecodeError, UnicodeDecodeError):
            raise ConfigError(f"{self.tokens} is no TOML: remove it and new tokens are made") from None
        if missing := [role for role in ROLES if not isinstance(found.get(role), str)]:
            raise ConfigError(f"{self.tokens} has no token for {', '.join(missing)}: remove it and new tokens are made")
        return {role: found[role] for role in ROLES}


def replace_file(path: Path, text: str, mode: int = 0o600) -> None:
    """Write a file whole or not at all: beside it, then renamed over it."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        os.fchmod(handle, mode)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def create_file(path: Path, text: str, mode: int = 0o600) -> bool:
    """Write a file unless it exists; of several at once one wins. Says whether this one did."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        os.fchmod(handle, mode)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        try:
            os.link(name, path)
        except FileExistsError:
            return False
        return True
    finally:
        Path(name).unlink(missing_ok=True)


def _user() -> str:
    import getpass

    try:
        return getpass.getuser()
    except OSError:
        return f"uid {os.getuid()}"
