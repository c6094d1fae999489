"""
A number and its unit as text that people read: `4.2 GiB`, `12.3 %`, `3.1 ms`, `1.2 MiB/s`.

Values are in base units (`bytes`, `seconds`, `ratio`); a unit may be per second (`bytes/s`).
A unit that is not known here is written behind the number as it is.
"""

import math
from dataclasses import dataclass
from typing import Final

NOTHING: Final = "–"  # noqa: RUF001  a dash on purpose: a hyphen reads as a minus

_LADDERS: Final[dict[str, tuple[tuple[float, str], ...]]] = {
    "bytes": ((1, "B"), (2**10, "KiB"), (2**20, "MiB"), (2**30, "GiB"), (2**40, "TiB"), (2**50, "PiB")),
    "bits": ((1, "bit"), (1e3, "kbit"), (1e6, "Mbit"), (1e9, "Gbit"), (1e12, "Tbit")),
    "seconds": ((1e-9, "ns"), (1e-6, "µs"), (1e-3, "ms"), (1, "s"), (60, "min"), (3600, "h"), (86400, "d")),
    "hertz": ((1, "Hz"), (1e3, "kHz"), (1e6, "MHz"), (1e9, "GHz")),
    "ratio": ((0.01, "%"),),
}
_SUFFIXES: Final = {"_bytes": "bytes", "_seconds": "seconds", "_ratio": "ratio", "_bits": "bits", "_hertz": "hertz"}
_ALIASES: Final = {"s": "seconds", "B": "bytes", "byte": "bytes", "second": "seconds", "percent": "%", "count": ""}
_LARGE: Final = ((1e12, "T"), (1e9, "G"), (1e6, "M"))


@dataclass(frozen=True, slots=True)
class Scale:
    """How the values of one axis are written: divided by `size`, named `unit`."""

    size: float
    unit: str


def unit_of(metric: str) -> str:
    """
    Return the unit that the end of a metric's name says; nothing where it counts things.

    >>> unit_of("disk.free_bytes"), unit_of("received_bytes_per_second"), unit_of("load_1m")
    ('bytes', 'bytes/s', '')
    """
    name, per = metric, ""
    for ending in ("_per_second", "_per_seconds"):
        if name.endswith(ending):
            name, per = name.removesuffix(ending), "/s"
    name = name.removesuffix("_total")
    found = next((unit for suffix, unit in _SUFFIXES.items() if name.endswith(suffix)), "")
    return found + per


def scale(unit: str, largest: float) -> Scale:
    """
    Return how to write values of `unit` of which `largest` is the greatest.

    >>> scale("bytes/s", 3e6)
    Scale(size=1048576, unit='MiB/s')
    """
    base, per = _split(unit)
    ladder = _LADDERS.get(base)
    if ladder is None:
        return Scale(1, base + per)
    size, name = ladder[0] if base != "seconds" else (1, "s")
    # Nothing but zeros is written in the base unit, not in the smallest.
    for step, its_name in ladder if largest > 0 and math.isfinite(largest) else ():
        if largest >= step * 0.9995:  # what would be rounded to 1 of the next is written as that
            size, name = step, its_name
    return Scale(size, name + per)


def show(value: float | None, unit: str = "") -> str:
    """
    Return a value as text, in at most three or four digits.

    >>> show(4.5e9, "bytes"), show(0.123, "ratio"), show(0.0031, "seconds"), show(1.2 * 2**20, "bytes/s")
    ('4.2 GiB', '12.3 %', '3.1 ms', '1.2 MiB/s')
    >>> show(7), show(1234567), show(0.25), show(5400, "seconds"), show(3.5, "requests/s")
    ('7', '1.2 M', '0.25', '1.5 h', '3.5 requests/s')
    """
    if value is None or math.isnan(value):
        return NOTHING
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    base, per = _split(unit)
    if base in _LADDERS:
        chosen = scale(unit, abs(value))
        return f"{digits(value / chosen.size)} {chosen.unit}"
    for size, letter in _LARGE:
        if abs(value) >= size:
            return f"{digits(value / size)} {letter}{base}{per}"
    return f"{digits(value)} {base}{per}".rstrip()


def digits(number: float) -> str:
    """
    Return a number without an exponent: whole where it is, else one decimal from 1, two significant digits below.

    >>> digits(12.0), digits(12.34), digits(512.6), digits(0.0042), digits(12345.6)
    ('12', '12.3', '513', '0.0042', '12,346')
    """
    if number == int(number):
        return f"{int(number):,}"
    size = abs(number)
    if size >= 99.95:
        return f"{number:,.0f}"
    if size >= 0.9995:
        return f"{number:.1f}".removesuffix(".0")
    if size < 1e-9:
        return "0"
    decimals = 1 - math.floor(math.log10(size))
    return f"{number:.{decimals}f}".rstrip("0").rstrip(".")


def _split(unit: str) -> tuple[str, str]:
    """`bytes/s` as (`bytes`, `/s`)."""
    base, per = (unit.removesuffix("/s"), "/s") if unit.endswith("/s") else (unit, "")
    return _ALIASES.get(base, base), per
