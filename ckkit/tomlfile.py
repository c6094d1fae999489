"""
TOML files that people write: decoded into typed records, with errors that name file, line and the nearest right word.

`tomllib` reads, `msgspec` converts and checks types; the line of a value is found
in the text, since neither of them keeps it. tomlkit rewrites a file elsewhere.
"""

import re
import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from ckkit.errors import ConfigError

T = TypeVar("T")

_UNKNOWN = re.compile(r"unknown field `(?P<field>[^`]+)`(?: - at `\$(?P<path>[^`]*)`)?")
_AT = re.compile(r" - at `\$(?P<path>[^`]*)`")
_HEADER = re.compile(r"^\s*\[{1,2}\s*(?P<name>[^\]]+?)\s*\]{1,2}\s*(#.*)?$")


def parse(path: Path) -> tuple[str, dict[str, Any]]:
    """Read a file: its text and its tables. Raises ConfigError where it is missing, unreadable or no TOML."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 text (byte {error.start}): save it as UTF-8", file=str(path)) from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}", file=str(path)) from None
    try:
        return text, tomllib.loads(text)
    except RecursionError:
        raise ConfigError(f"{path}: not TOML that anybody wrote: nested too deeply", file=str(path), line=1) from None
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"line (\d+)", str(error))
        line = int(found[1]) if found else text.count("\n") + 1
        raise ConfigError(f"{path}:{line}: not TOML: {error}", file=str(path), line=line) from None


def convert(value: Any, kind: type[T], path: Path, text: str, at: tuple[str | int, ...] = ()) -> T:
    """
    Turn the tables `value`, found at the keys `at` of the file, into a record of `kind` (a msgspec.Struct).

    Raises:
        ConfigError: a key that does not exist (with the nearest that does) or a value of the wrong type,
            with `file` and `line` among its details.
    """
    try:
        return msgspec.convert(value, kind, strict=True)
    except msgspec.ValidationError as error:
        raise _explained(str(error), kind, path, text, at) from None


def _explained(message: str, kind: Any, path: Path, text: str, at: tuple[str | int, ...]) -> ConfigError:
    unknown = _UNKNOWN.search(message)
    if unknown:
        keys = (*at, *_keys(unknown["path"] or ""), unknown["field"])
        known = _fields(kind, _keys(unknown["path"] or ""))
        said = f"there is no key {unknown['field']!r}{nearest(unknown['field'], known)}"
    else:
        found = _AT.search(message)
        keys = (*at, *_keys(found["path"] if found else ""))
        what = f"`{keys[-1]}`: " if keys else ""
        said = what + (message[: found.start()] if found else message)
    return problem(path, text, keys, said)


def problem(path: Path, text: str, keys: tuple[str | int, ...], said: str) -> ConfigError:
    """Return the error `file:line: said`, the line being that of the value at `keys`."""
    line = locate(text, keys)
    return ConfigError(f"{path}:{line}: {said}", file=str(path), line=line)


def nearest(word: str, known: list[str]) -> str:
    """
    Return what to say after an unknown word.

    >>> nearest("critcal", ["warn", "critical"])
    ": did you mean 'critical'?"
    >>> nearest("zzz", ["warn", "critical"])
    ': there are critical, warn'
    """
    close = get_close_matches(word, known, n=1, cutoff=0.6)
    return f": did you mean {close[0]!r}?" if close else f": there are {', '.join(sorted(known)) or 'none'}"


def _fields(kind: Any, keys: tuple[str | int, ...]) -> list[str]:
    """The keys that the Struct reached from `kind` by `keys` knows."""
    info: Any = msgspec.inspect.type_info(kind)
    for key in keys:
        info = _inner(info)
        if isinstance(info, msgspec.inspect.StructType):
            info = next((f.type for f in info.fields if f.encode_name == key), info)
        elif isinstance(info, msgspec.inspect.DictType):
            info = info.value_type
        elif hasattr(info, "item_type"):
            info = info.item_type
    info = _inner(info)
    return [f.encode_name for f in info.fields] if isinstance(info, msgspec.inspect.StructType) else []


def _inner(info: Any) -> Any:
    """The first Struct of a union (`Struct | None`), else the type itself."""
    if isinstance(info, msgspec.inspect.UnionType):
        return next((t for t in info.types if isinstance(t, msgspec.inspect.StructType)), info.types[0])
    return info


def _keys(path: str) -> tuple[str | int, ...]:
    """`.checks[1].every` as keys; `[...]`, a key that msgspec does not name, is left out."""
    return tuple(int(i) if i else k for k, i in re.findall(r"\.([A-Za-z0-9_-]+)|\[(\d+)\]", path))


def locate(text: str, keys: tuple[str | int, ...]) -> int:
    """
    Return the line (from 1) of the value at `keys`: table names, then the key; a number counts tables of that name.

    Falls back to the line of the table, then to 1.

    >>> locate("[hub]\\nport = 1\\n[[checks]]\\n[[checks]]\\ntype = 'x'\\n", ("checks", 1, "type"))
    5
    """
    lines = text.splitlines()
    names = [str(k) for k in keys if not isinstance(k, int)]
    index = next((k for k in keys if isinstance(k, int)), 0)
    for depth in range(len(names), -1, -1):
        start = _table(lines, names[:depth], index if depth else 0)
        if start is None:
            continue
        rest = names[depth:]
        return (_key(lines, start, rest[0]) or max(start, 1)) if rest else max(start, 1)
    return 1


def _table(lines: list[str], names: list[str], index: int) -> int | None:
    if not names:
        return 0
    wanted, seen = ".".join(names), -1
    for number, line in enumerate(lines, 1):
        header = _HEADER.match(line)
        name = re.sub(r"[\s\"']", "", header["name"]) if header else ""
        if name == wanted or name.startswith(f"{wanted}."):
            seen += 1
            if seen == index or not line.lstrip().startswith("[["):
                return number
    return None


def _key(lines: list[str], start: int, key: str) -> int | None:
    pattern = re.compile(rf"^\s*[\"']?{re.escape(key)}[\"']?\s*[.=]")
    for number in range(start, len(lines)):
        if _HEADER.match(lines[number]):
            return None
        if pattern.match(lines[number]):
            return number + 1
    return None
