"""Who did what when: a row a command that writes, and the event that tells of it."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ckkit.store.secrets import redacted
from ckkit.store.times import naive

if TYPE_CHECKING:
    from ckkit.store import Tx

INSERT = "insert into audit values ($ts, $caller, $role, $peer, $command, $payload, $outcome, $took)"
LONGEST = 10_000  # characters of a payload


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One command: by whom, from where, with what, and how it ended (`ok`, or the code of its error)."""

    caller: str
    role: str
    peer: str
    command: str
    payload: Any
    outcome: str
    took_s: float


def write(tx: "Tx", entry: Entry) -> None:
    """Keep an entry, without the secrets of its payload, and tell of it: `commands`."""
    payload = json.dumps(redacted(entry.payload), default=str, ensure_ascii=False)[:LONGEST]
    tx.cur.execute(
        INSERT,
        {
            "ts": naive(tx.now),
            "caller": entry.caller,
            "role": entry.role,
            "peer": entry.peer,
            "command": entry.command,
            "payload": payload,
            "outcome": entry.outcome,
            "took": entry.took_s,
        },
    )
    tx.emit("commands", entry.command, {"command": entry.command, "caller": entry.caller, "outcome": entry.outcome})
