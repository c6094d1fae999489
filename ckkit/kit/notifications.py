"""`kit.notifications`: what was sent, to whom, what they answered; and what was not, and why."""

from collections.abc import Iterator

from ckkit.kit.asking import Namespace
from ckkit.kit.lists import Notification, NotificationList
from ckkit.kit.times import When, moment


class Notifications(Namespace):
    def list(self, since: When = "1d", limit: int = 1000) -> NotificationList:
        """Return every attempt and every decision not to send since then, the newest first, at most `limit`."""
        start = moment(since, self._kit.clock())
        return NotificationList(self._ask("notifications.list", tuple[Notification, ...], since=start, limit=limit))

    def __iter__(self) -> Iterator[Notification]:
        return iter(self.list())

    def __repr__(self) -> str:
        return repr(self.list())

    def _repr_html_(self) -> str:
        return self.list()._repr_html_()
