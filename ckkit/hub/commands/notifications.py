"""Notifications: every attempt to tell somebody, and every decision not to."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from ckkit.hub.registry import Caller, command

if TYPE_CHECKING:
    from ckkit.hub.hub import Hub


class ListNotifications(msgspec.Struct, forbid_unknown_fields=True):
    since: datetime | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 1000


@command("notifications.list")
def list_notifications(hub: "Hub", ask: ListNotifications, caller: Caller) -> list[dict[str, Any]]:
    """Return what was sent since then (by default a day ago), and what not and why, the newest first."""
    since = ask.since or hub.clock() - timedelta(days=1)
    return hub.evaluator.news.notifications(since, ask.limit)
