"""What of a check's params or a node's details SQL may show: everything but secrets."""

import re
from collections.abc import Mapping
from typing import Any

SECRET_KEY = re.compile(r"passw|token|secret|authorization|api_?key|credential|cookie", re.IGNORECASE)
CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+@")
REFERENCE = re.compile(r"_(env|file)$")  # names where the secret is: no secret itself
HIDDEN = "•••"


def redacted(value: Any, key: str = "") -> Any:
    """
    Return the value without its secrets: those under telling keys, and `user:password@` in addresses.

    >>> redacted({"url": "http://me:pw@x/", "password": "s", "password_env": "PW"})
    {'url': 'http://•••@x/', 'password': '•••', 'password_env': 'PW'}
    """
    if isinstance(value, Mapping):
        return {k: redacted(v, str(k)) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [redacted(v, key) for v in value]
    if SECRET_KEY.search(key) and not REFERENCE.search(key):
        return HIDDEN
    return CREDENTIALS.sub(f"{HIDDEN}@", value) if isinstance(value, str) else value
