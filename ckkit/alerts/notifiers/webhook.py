"""A webhook: the message's payload as JSON, POSTed to the address."""

import asyncio
import json
import os
from typing import ClassVar

import aiohttp

from ckkit.alerts.retries import is_final
from ckkit.errors import DeliveryFailed
from ckkit.model import Address, Message

READ_AT_MOST = 2000  # bytes of the answer


class WebhookNotifier:
    """Entry point `webhook`. A repeated message has the same `Idempotency-Key`."""

    name: ClassVar[str] = "webhook"

    def send(self, message: Message, address: Address) -> str:
        """
        POST, and return the answer: its status and the first line of its body.

        Raises:
            DeliveryFailed: no 2xx within the address's timeout, connecting and answering together. `final` in its
                details where the receiver refused; redirects are not followed, and count as a refusal.
        """
        return asyncio.run(_post(message, address))


async def _post(message: Message, address: Address) -> str:
    own = message.payload.get("ckkit", {})
    headers = {"Content-Type": "application/json", "User-Agent": "ckkit"}
    if isinstance(own, dict) and own.get("key"):
        headers["Idempotency-Key"] = str(own["key"])
    seconds = address.timeout.total_seconds()
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=seconds)) as session,
            session.post(
                address.url, data=json.dumps(dict(message.payload)), headers=headers, allow_redirects=False
            ) as response,
        ):
            body = await response.content.read(READ_AT_MOST)
            said = f"{response.status} {response.reason}: {_first_line(body)}".removesuffix(": ")
            if 200 <= response.status < 300:
                return said
            raise DeliveryFailed(
                f"address {address.name}: the webhook answered {said}",
                status=response.status,
                final=is_final(response.status),
                retry_after_s=_seconds(response.headers.get("Retry-After")),
            )
    except TimeoutError:
        raise DeliveryFailed(f"address {address.name}: no answer from the webhook within {seconds:g} s") from None
    except aiohttp.InvalidURL:
        raise DeliveryFailed(f"address {address.name}: its URL is none: write https://host/path", final=True) from None
    except aiohttp.ClientConnectorDNSError:
        raise DeliveryFailed(f"address {address.name}: cannot reach the webhook: its host has no address") from None
    except aiohttp.ClientOSError as error:
        reason = os.strerror(error.errno) if error.errno else type(error).__name__
        raise DeliveryFailed(f"address {address.name}: cannot reach the webhook: {reason}") from None
    except (aiohttp.ClientError, OSError) as error:
        # Only the kind of error: its text may hold the URL, and with it a secret.
        raise DeliveryFailed(f"address {address.name}: the webhook failed: {type(error).__name__}") from None


def _first_line(body: bytes) -> str:
    lines = body.decode("utf-8", "replace").strip().splitlines()
    return lines[0][:200] if lines else ""


def _seconds(header: str | None) -> float | None:
    """Retry-After in seconds; its other form, a date, is left to the usual wait."""
    return float(header) if header is not None and header.strip().isdigit() else None
