"""The OpenAPI document of the hub, made from the registry of commands."""

from functools import cache
from typing import Any

import msgspec

from ckkit.hub.registry import COMMANDS, Command

ERROR = {
    "type": "object",
    "required": ["code", "message", "details"],
    "properties": {"code": {"type": "string"}, "message": {"type": "string"}, "details": {"type": "object"}},
}
READ = {
    "type": "object",
    "required": ["sql"],
    "properties": {
        "sql": {"type": "string"},
        "params": {"type": ["object", "null"]},
        "patience_s": {"type": ["number", "null"]},
    },
}
ARROW = {"application/vnd.apache.arrow.stream": {"schema": {"type": "string", "format": "binary"}}}
APPEND_PARAMETERS = [
    {"name": "table", "in": "path", "required": True, "schema": {"type": "string"}},
    {"name": "source", "in": "query", "required": True, "schema": {"type": "string"}},
    {"name": "boot", "in": "query", "required": True, "schema": {"type": "string"}},
    {"name": "sequence", "in": "query", "required": True, "schema": {"type": "integer", "minimum": 0}},
]
WATCH_PARAMETERS = [
    {"name": "topics", "in": "query", "schema": {"type": "string"}, "description": "separated by commas; `jobs.*`"},
    {"name": "since", "in": "query", "schema": {"type": "integer"}, "description": "the `seq` of an event"},
]


@cache
def document(version: str) -> dict[str, Any]:
    """Return the document; commands by name."""
    commands = [COMMANDS[name] for name in sorted(COMMANDS)]
    kinds = [*(c.payload for c in commands), *(c.reply for c in commands if _describable(c.reply))]
    schemas, components = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")
    found = dict(zip(map(repr, kinds), schemas, strict=True))
    paths = {f"/v1/command/{c.name}": {"post": _command(c, found)} for c in commands}
    return {
        "openapi": "3.1.0",
        "info": {"title": "ckkit hub", "version": version},
        "paths": {**_wire(), **paths},
        "components": {
            "schemas": {**components, "Error": ERROR},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}],
    }


def _command(command: Command, schemas: dict[str, Any]) -> dict[str, Any]:
    return {
        "operationId": command.name,
        "tags": [command.name.partition(".")[0]],
        "summary": command.help.splitlines()[0] if command.help else command.name,
        "description": f"Needs the role {command.role}.",
        "requestBody": {"content": {"application/json": {"schema": schemas[repr(command.payload)]}}},
        "responses": _responses({"application/json": {"schema": schemas.get(repr(command.reply), {})}}),
    }


def _wire() -> dict[str, Any]:
    return {
        "/v1/read": {
            "post": {
                "operationId": "read",
                "summary": "The rows of one SELECT, as an Arrow stream; `params` are the values of its $names.",
                "requestBody": {"content": {"application/json": {"schema": READ}}},
                "responses": _responses(ARROW),
            }
        },
        "/v1/append/{table}": {
            "put": {
                "operationId": "append",
                "summary": "Add rows; answered after the commit. The same source, boot and sequence counts once.",
                "parameters": APPEND_PARAMETERS,
                "requestBody": {"content": ARROW},
                "responses": _responses({"application/json": {"schema": {"type": "object"}}}),
            }
        },
        "/v1/watch": {
            "get": {
                "operationId": "watch",
                "summary": "Events as they happen, as server-sent events.",
                "parameters": WATCH_PARAMETERS,
                "responses": _responses({"text/event-stream": {"schema": {"type": "string"}}}),
            }
        },
    }


def _responses(content: dict[str, Any]) -> dict[str, Any]:
    failed = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    return {
        "200": {"description": "done", "content": content},
        "default": {"description": "what went wrong", "content": failed},
    }


def _describable(kind: Any) -> bool:
    """Say whether there is a schema for it: a reply may be of a type that JSON knows only as its values."""
    if kind is Any or kind is type(None):
        return False
    try:
        msgspec.json.schema(kind)
    except TypeError:
        return False
    return True
