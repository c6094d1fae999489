"""The text that Prometheus scrapes (its exposition format, version 0.0.4)."""

from collections.abc import Iterable, Iterator

from ckkit.stats.counters import Histogram, Labels, Series, Stat

CONTENT_TYPE = "text/plain; version=0.0.4"


def text(found: Iterable[Series], prefix: str = "ckkit_") -> str:
    """
    Return the series as text.

    >>> from ckkit.stats.counters import Counters
    >>> counters = Counters((Stat("reads_total", "counter", "queries", ("outcome",)),))
    >>> counters.add("reads_total", outcome="ok")
    >>> print(text(counters.snapshot()), end="")
    # HELP ckkit_reads_total queries
    # TYPE ckkit_reads_total counter
    ckkit_reads_total{outcome="ok"} 1
    """
    return "".join(f"{line}\n" for series in found for line in _lines(series, prefix))


def _lines(series: Series, prefix: str) -> Iterator[str]:
    stat, name = series.stat, prefix + series.stat.name
    yield f"# HELP {name} {stat.help}"
    yield f"# TYPE {name} {stat.kind}"
    if not stat.labels and stat.kind != "histogram" and not series.values:
        yield f"{name} 0"
    for labels, value in series.values.items():
        yield f"{name}{_labels(stat.labels, labels)} {_number(value)}"
    for labels, histogram in series.histograms.items():
        yield from _buckets(name, stat, labels, histogram)


def _buckets(name: str, stat: Stat, labels: Labels, histogram: Histogram) -> Iterator[str]:
    below = 0
    for bound, count in zip((*map(_number, stat.bounds), "+Inf"), histogram.buckets, strict=True):
        below += count
        yield f"{name}_bucket{_labels((*stat.labels, 'le'), (*labels, bound))} {below}"
    yield f"{name}_sum{_labels(stat.labels, labels)} {_number(histogram.sum)}"
    yield f"{name}_count{_labels(stat.labels, labels)} {histogram.count}"


def _labels(names: Labels, values: Labels) -> str:
    if not names:
        return ""
    return "{" + ",".join(f'{n}="{_escaped(v)}"' for n, v in zip(names, values, strict=True)) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)
