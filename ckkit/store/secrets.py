"""What of a check's params, a node's details or a command's payload SQL may show: everything but secrets."""

import re
from collections.abc import Mapping
from typing import Any

WORDS = r"passw|passphrase|secret|token|authorization|api[-_]?key|private[-_]?key|credential|cookie|signature"
SECRET_KEY = re.compile(rf"{WORDS}|^(pass|pwd|pw|auth|key)$", re.IGNORECASE)
REFERENCE = re.compile(r"_(env|file)$", re.IGNORECASE)  # names where the secret is: no secret itself
HIDDEN = "•••"

_IN_TEXT = (
    (re.compile(r"(?<=://)[^/?#@\s]+@"), f"{HIDDEN}@"),  # user:password@ of an address
    (re.compile(rf"([?&;][^=&#\s]*(?:{WORDS}|\bkey|\bsig|\bauth)[^=&#\s]*=)[^&#\s]+", re.IGNORECASE), rf"\1{HIDDEN}"),
    (re.compile(r"\b((?:proxy-)?authorization|(?:set-)?cookie|x-[\w-]*(?:key|token))(\s*[:=]\s*)\S.*", re.IGNORECASE),
     rf"\1\2{HIDDEN}"),
    (re.compile(r"\b(bearer|basic)\s+[\w+/=.~-]{6,}", re.IGNORECASE), rf"\1 {HIDDEN}"),
)  # fmt: skip


def redacted(value: Any, key: str = "") -> Any:
    """
    Return the value without its secrets: those under telling keys, and those that lie in addresses and headers.

    >>> redacted({"url": "http://me:pw@x/?api_key=k&n=1", "password": "s", "password_env": "PW"})
    {'url': 'http://•••@x/?api_key=•••&n=1', 'password': '•••', 'password_env': 'PW'}
    """
    if value is None or value == "":
        return value
    if SECRET_KEY.search(key) and not REFERENCE.search(key):
        return HIDDEN
    if isinstance(value, Mapping):
        return {k: redacted(v, str(k)) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [redacted(v) for v in value]
    return _cleaned(value) if isinstance(value, str) else value


def _cleaned(text: str) -> str:
    for pattern, instead in _IN_TEXT:
        text = pattern.sub(instead, text)
    return text
