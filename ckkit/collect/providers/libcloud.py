"""
The nodes of a cloud, by apache-libcloud: any of its compute drivers.

    [providers.fleet]
    type = "libcloud"
    driver = "ec2"                # libcloud's name of it
    key_env = "AWS_ACCESS_KEY"    # a key `X_env` or `X_file` gives the driver's argument X
    secret_file = "~/aws.secret"
    region = "eu-west-1"          # other keys are given as they are
    tags = ["cloud"]              # ckkit's own: every node has them

What a driver calls a tag becomes a tag: `name`, or `name=value`.
"""

import inspect
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ckkit.collect.bounds import one_line
from ckkit.collect.secrets import secret
from ckkit.errors import CkkitError, ConfigError, Refused
from ckkit.model import Node
from ckkit.tomlfile import nearest

if TYPE_CHECKING:  # libcloud takes 12 MB: only where a cloud is listed
    from libcloud.compute.base import Node as CloudNode
    from libcloud.compute.base import NodeDriver

OWN = {"type", "driver", "tags"}
SECRET = re.compile(r"(^|_)(key|secret|passw|token|creds?|credential|auth)", re.IGNORECASE)
DETAILS, DETAIL_CHARACTERS = 50, 200


class Libcloud:
    """Made with a name and its table. Asks the cloud at each call of `nodes`, which may take its time."""

    def __init__(self, name: str, table: Mapping[str, Any]) -> None:
        self.name = name
        self._table = dict(table)
        self._tags = _own_tags(name, table.get("tags", ()))
        self._kind = _driver(name, table.get("driver"))
        _verify(name, self._kind, self._table)

    def nodes(self) -> list[Node]:
        """
        Return every node that the cloud lists and that has not ended, by name.

        Nodes of one name get their id behind it, all of them: a name never means two machines in turn.

        Raises:
            Refused: the cloud does not take the credentials.
            CkkitError: it cannot be reached, or answers nonsense.
        """
        arguments = self._arguments()
        try:
            return mapped(self._kind(**arguments).list_nodes(), self.name, self._tags)
        except Exception as error:  # noqa: BLE001  50 drivers, each with exceptions of its own
            raise self._explained(error, arguments) from None

    def _explained(self, error: Exception, arguments: Mapping[str, Any]) -> CkkitError:
        from libcloud.common.types import InvalidCredsError

        who = f"the provider {self.name} ({self._table['driver']})"
        text = f"{type(error).__name__}: {_plain(error, arguments)}"
        # Half of the drivers tell wrong credentials by a class of their own with the HTTP status in it.
        if isinstance(error, InvalidCredsError) or re.search(
            r"\b40[13]\b|unauthori[sz]ed|forbidden", text, re.IGNORECASE
        ):
            named = ", ".join(key for key in self._table if key.endswith(("_env", "_file"))) or "its table"
            return Refused(f"{who} does not take the credentials ({text}): check what {named} names")
        return CkkitError(f"{who} cannot list its nodes: {text}")

    def _arguments(self) -> dict[str, Any]:
        given: dict[str, Any] = {}
        for key, value in self._table.items():
            what = f"the provider {self.name}"
            if key.endswith("_env"):
                given[key.removesuffix("_env")] = secret(what, str(value), "")
            elif key.endswith("_file"):
                given[key.removesuffix("_file")] = secret(what, "", str(value))
            elif key not in OWN:
                given[key] = value
        return given


def mapped(found: "Iterable[CloudNode]", provider: str, tags: Sequence[str] = ()) -> list[Node]:
    """Return libcloud's nodes as ours, by name, without those that have ended."""
    alive = [node for node in found if str(node.state) != "terminated"]
    count = Counter(_name(node) for node in alive)
    nodes = [
        Node(
            name=_name(node) if count[_name(node)] == 1 else f"{_name(node)}-{_word(node.id)}",
            provider=provider,
            state=str(node.state),
            tags=tuple(dict.fromkeys((*tags, *_tags(node.extra or {})))),
            public_addresses=tuple(str(a) for a in node.public_ips or () if a),
            private_addresses=tuple(str(a) for a in node.private_ips or () if a),
            details=_details(node),
        )
        for node in alive
    ]
    return sorted(nodes, key=lambda node: node.name)


def _driver(name: str, driver: Any) -> "type[NodeDriver]":
    from libcloud.compute.providers import DRIVERS, get_driver

    known = sorted(str(d) for d in DRIVERS)
    if not isinstance(driver, str) or driver not in known:
        said = nearest(driver, known) if isinstance(driver, str) else ': write driver = "ec2" or another of libcloud\'s'
        raise ConfigError(f"the provider {name}: libcloud has no compute driver {driver!r}{said}", key="driver")
    found: type[NodeDriver] = get_driver(driver)
    return found


def _own_tags(name: str, tags: Any) -> tuple[str, ...]:
    if isinstance(tags, str) or not all(isinstance(t, str) for t in tags):
        raise ConfigError(f'the provider {name}: `tags` is {tags!r}: write a list of texts, ["cloud"]', key="tags")
    return tuple(tags)


def _verify(name: str, kind: "type[NodeDriver]", table: Mapping[str, Any]) -> None:
    """No secret as a plain value; no argument that the driver does not have."""
    parameters = inspect.signature(kind.__init__).parameters
    open_ended = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    for key in table.keys() - OWN:
        argument = re.sub(r"_(env|file)$", "", key)
        if argument == key and SECRET.search(key):
            raise ConfigError(
                f"the provider {name}: `{key}` holds a credential: write {key}_env (a variable of the environment) "
                f"or {key}_file (a file) instead",
                key=key,
            )
        if argument not in parameters and not open_ended:
            said = nearest(argument, [p for p in parameters if p != "self"])
            raise ConfigError(f"the provider {name}: its driver has no argument {argument!r}{said}", key=key)


def _plain(error: Exception, arguments: Mapping[str, Any]) -> str:
    """The text of an exception on one line, without any value that may be a credential."""
    text = one_line(str(error))
    for key, value in arguments.items():
        if SECRET.search(key) and isinstance(value, str) and value:
            text = text.replace(value, "***")
    return text


def _word(text: Any) -> str:
    return re.sub(r'[\s/"]+', "-", str(text).strip())


def _name(node: "CloudNode") -> str:
    return _word(node.name or node.id) or _word(node.id)


TAGS = ("tags", "tag", "labels")
"""What drivers call what we call tags."""


def _tags(extra: Mapping[str, Any]) -> list[str]:
    found: list[str] = []
    for key in TAGS:
        given = extra.get(key) or ()
        if isinstance(given, Mapping):
            # A name, as EC2 keeps it, is not a tag.
            pairs = [(str(k), "" if v is None else str(v)) for k, v in given.items() if str(k) != "Name"]
            given = [f"{k}={v}" if v else k for k, v in pairs]
        elif isinstance(given, str):
            given = given.split(",")
        found += [word for tag in given if (word := _word(tag))]
    return found


def _details(node: "CloudNode") -> dict[str, str]:
    """What the driver tells beside: texts, without what may be a credential, bounded."""
    facts = {"id": node.id, "size": node.size, "image": node.image, "created": node.created_at, **(node.extra or {})}
    kept = {}
    for key, value in list(facts.items())[:DETAILS]:
        if value in (None, "", [], {}) or key in TAGS or SECRET.search(str(key)):
            continue
        plain = isinstance(value, str | int | float)
        text = str(getattr(value, "name", value)) if plain or hasattr(value, "name") else _json(value)
        kept[str(key)] = one_line(text, DETAIL_CHARACTERS)
    return kept


def _json(value: Any) -> str:
    return json.dumps(value, default=str, sort_keys=True) if isinstance(value, list | dict | tuple) else str(value)
