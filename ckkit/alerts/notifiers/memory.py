"""A notifier that keeps what it is given: for tests and for trying things. It is a fake that ships, not a mock."""

from collections.abc import Callable
from threading import Lock
from typing import ClassVar

from ckkit.model import Address, Message


class MemoryNotifier:
    """
    Entry point `memory`. `sent` holds (address name, message) in order.

    `answer` is called before a message is kept: what it returns is the answer, what it raises is raised.
    """

    name: ClassVar[str] = "memory"

    def __init__(self, answer: Callable[[Message, Address], str] = lambda message, address: "kept") -> None:
        self.answer = answer
        self._lock = Lock()
        self._sent: list[tuple[str, Message]] = []

    @property
    def sent(self) -> list[tuple[str, Message]]:
        with self._lock:
            return list(self._sent)

    def send(self, message: Message, address: Address) -> str:
        """Keep the message, and return what `answer` says."""
        said = self.answer(message, address)
        with self._lock:
            self._sent.append((address.name, message))
        return said
