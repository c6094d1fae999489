"""Secrets that a check or a provider uses: named by an environment variable or a file, never written in ckkit.toml."""

import os
from collections.abc import Mapping
from pathlib import Path

from ckkit.errors import ConfigError


def secret(what: str, env_name: str, file_name: str, env: Mapping[str, str] = os.environ) -> str:
    """
    Return the secret that an environment variable or a file holds, a file's without the space around it.

    Empty where neither is named.

    Raises:
        ConfigError: it is named, but empty or not there. Names the place, never shows what is in it.
    """
    if env_name:
        if found := env.get(env_name, ""):
            return found
        raise ConfigError(f"{what}: the environment variable {env_name} is empty or not set where the hub runs")
    if not file_name:
        return ""
    try:
        found = Path(file_name).expanduser().read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{what}: the file {file_name} cannot be read ({_why(error)})") from None
    if not found:
        raise ConfigError(f"{what}: the file {file_name} is empty: it must hold the secret")
    return found


def _why(error: OSError | UnicodeDecodeError) -> str:
    return str(error.strerror) if isinstance(error, OSError) else "not UTF-8 text"
