"""DuckDB keeps UTC without a zone; everybody else has aware times. The two turns, in one place."""

from datetime import UTC, datetime


def naive(moment: datetime) -> datetime:
    """Return an aware time as the store keeps it: UTC, without a zone."""
    return moment.astimezone(UTC).replace(tzinfo=None)


def aware(moment: datetime | None) -> datetime | None:
    """Return a time of the store with its zone; None stays None."""
    return None if moment is None else moment.replace(tzinfo=UTC)


def utcnow() -> datetime:
    return datetime.now(UTC)
