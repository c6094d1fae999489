"""
Apprise: one URL for each of a hundred services: mailto://, slack://, tgram://, pagerduty://, json:// …

Apprise is imported at the first send, for it is large. It keeps its own count of attempts and says what went wrong only
in its log: that is read here, cleaned of every word of the URL, since a URL holds passwords and tokens.
"""

import re
import warnings
from functools import cache
from threading import Lock
from typing import Any, ClassVar
from urllib.parse import unquote

from ckkit.alerts.retries import is_final
from ckkit.errors import DeliveryFailed
from ckkit.model import Address, Level, Message

_STATUS = re.compile(r"error=(\d{3})\b")
_TYPES = {Level.OK: "success", Level.WARN: "warning", Level.CRITICAL: "failure", Level.NODATA: "warning"}


class AppriseNotifier:
    """Entry point `apprise`, and the kind of an address that names none."""

    name: ClassVar[str] = "apprise"

    def send(self, message: Message, address: Address) -> str:
        """
        Send, and return how many services took it.

        Raises:
            DeliveryFailed: a service failed or did not answer within the address's timeout. `final` in its details
                where the URL is none that Apprise knows, or the service answered with a refusal.
        """
        services = _services(address)
        html = all(str(service.notify_format) == "html" for service in services)
        result = services.notify(
            body=message.html if html else message.text,
            title=message.title,
            notify_type="info" if message.kind == "test" else _TYPES[message.level],
            body_format="html" if html else "text",
            timeout=address.timeout.total_seconds(),
        )
        if result:
            return "taken by " + ", ".join(service.name for service in result)
        raise _failed(result, address)


_importing = Lock()


@cache
def _imported() -> Any:
    """Return apprise with all its services, which it imports when it reads its first URL."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # it imports what Python is about to drop, if it is there
        import apprise

        apprise.Apprise.instantiate("json://localhost")
    return apprise


def _services(address: Address) -> Any:
    with _importing:
        apprise = _imported()
    asset = apprise.AppriseAsset(app_id="ckkit", app_desc="ckkit", app_url="", async_mode=False, storage_mode="memory")
    services = apprise.Apprise(asset=asset)
    if not services.add(address.url) or not len(services):
        raise DeliveryFailed(
            f"address {address.name}: Apprise cannot read its URL: write one as https://appriseit.com/services/ says",
            final=True,
        )
    return services


def _failed(result: Any, address: Address) -> DeliveryFailed:
    said = [clean(entry.message, address.url) for entry in result.logs()]
    if result.status.name == "TIMEOUT":
        said.insert(0, f"no answer within {address.timeout.total_seconds():g} s")
    status = next((int(found[1]) for text in said if (found := _STATUS.search(text))), None)
    told = "; ".join(dict.fromkeys(said))[:300] or "Apprise did not say why"
    final = status is not None and is_final(status)
    return DeliveryFailed(f"address {address.name}: not sent: {told}", status=status, final=final)


def clean(text: str, url: str) -> str:
    """
    Return a text without any word of a URL.

    >>> clean("cannot log in at mail.example.org as root", "mailto://root:secret@mail.example.org")
    'cannot log in at ….….org as …'
    """
    secret = url.partition("://")[2]
    words = {*re.split(r"[^\w%-]+", secret), *re.split(r"[^\w-]+", unquote(secret))}
    for word in sorted((unquote(word) for word in words if len(word) > 3), key=len, reverse=True):
        text = text.replace(word, "…")
    return text
