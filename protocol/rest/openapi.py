"""The OpenAPI 3.1 document of the web service, made of the declarations of its routes.

Methods of WCS that are answered 501 are not in it: a client made from the document must not offer what is not there.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from protocol.rest.errors import PROBLEM_JSON
from protocol.rest.fields import Field, FieldTable, Schema
from protocol.rest.operations import ANYONE, Operation
from protocol.rest.schemas import PROBLEM

DESCRIPTION: Final = """\
Stops, finds and watches the streams and sessions of this server, by the paths and names of WCS.

Requests are read strictly: an unknown key, a null, a value of the wrong type or a key given twice is an error 400 that
names the key, and nothing is done. Errors are problems of RFC 9457 with the fields of WCS beside; their content type is
`application/problem+json` if `Accept` names it. Methods of WCS that this server does not have are answered 501.
Every response has an `X-Request-Id`: the caller's, or a random one. Requests that end something take an
`Idempotency-Key`. A role is needed where the server requires a login (`rest.auth`)."""

_JSON: Final = "application/json"
_SCHEMES: Final[Mapping[str, Schema]] = {
    "basic": {"type": "http", "scheme": "basic", "description": "a user of the server"},
    "bearer": {"type": "http", "scheme": "bearer", "description": "a token of the server"},
}


def openapi_document(operations: Iterable[Operation], *, version: str, headers: Mapping[str, Schema]) -> dict[str, Any]:
    """The document. `version`: of the server; `headers`: what answers may have, by name."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        if operation.is_described:
            path = re.sub(r":\w+\}", "}", operation.path)
            paths.setdefault(path, {}).update(_methods(operation, headers))
    problem = {_JSON: {"schema": PROBLEM}, PROBLEM_JSON: {"schema": PROBLEM}}
    components = _Components()
    document = {
        "openapi": "3.1.0",
        "info": {"title": "wcsd REST API", "version": version, "description": DESCRIPTION},
        "servers": [{"url": "/"}],
        "paths": components.collect(paths),
        "components": {"responses": {"Problem": components.collect({"description": "an error", "content": problem})}},
    }
    document["components"] |= {"schemas": dict(sorted(components.schemas.items())), "securitySchemes": _SCHEMES}
    return document


class _Components:
    """Takes schemas that have a title out of a document, and leaves references in their place."""

    def __init__(self) -> None:
        self.schemas: dict[str, Any] = {}

    def collect(self, node: Any) -> Any:
        """A copy of `node` with references. ValueError if two schemas have the same title."""
        if isinstance(node, list | tuple):
            return [self.collect(item) for item in node]
        if not isinstance(node, Mapping):
            return node
        copy = {name: self.collect(value) for name, value in node.items()}
        title = node.get("title")
        if not (isinstance(title, str) and "type" in node):
            return copy
        if self.schemas.setdefault(title, copy) != copy:
            raise ValueError(f"two schemas are called {title}")
        return {"$ref": f"#/components/schemas/{title}"}


# -- operations --------------------------------------------------------------------------------------------------------


def _methods(operation: Operation, headers: Mapping[str, Schema]) -> dict[str, Any]:
    return {method.lower(): _describe(operation, method, headers) for method in operation.methods}


def _describe(operation: Operation, method: str, headers: Mapping[str, Schema]) -> dict[str, Any]:
    group, name = _group_and_name(operation.path)
    described: dict[str, Any] = {
        "operationId": f"{name}_{method.lower()}" if len(operation.methods) > 1 else name,
        "tags": [group],
        "summary": operation.summary,
        "description": _description(operation),
        "security": _security(operation),
        "parameters": list(_parameters(operation, method)),
        "responses": _responses(operation, headers),
    }
    body = _request_body(operation) if method == "POST" else None
    return described if body is None else described | {"requestBody": body}


def _group_and_name(path: str) -> tuple[str, str]:
    """`stream` and `stream_find` of `/rest-api/stream/find`; what is not REST is of the group `server`."""
    rest = path.removeprefix("/rest-api/")
    name = "_".join(re.findall(r"\w+", re.sub(r"\{(\w+).*?\}", r"\1", rest))) or "statistics"
    return (rest.partition("/")[0] if rest != path and "/" in rest else "server"), name


def _description(operation: Operation) -> str:
    tables = (operation.fields, operation.query)
    rules = [table.rules for table in tables if table is not None and table.rules]
    role = "Open to anyone." if operation.role is ANYONE else f"Needs the role `{operation.role}`."
    return "\n\n".join(filter(None, (operation.description, *rules, role)))


def _security(operation: Operation) -> list[dict[str, list[str]]]:
    """Either scheme, with the role; or none, as long as the server does not require a login."""
    return [] if operation.role is ANYONE else [*({scheme: [str(operation.role)]} for scheme in _SCHEMES), {}]


# -- requests ----------------------------------------------------------------------------------------------------------


def _parameters(operation: Operation, method: str) -> Iterable[dict[str, Any]]:
    for name in re.findall(r"\{(\w+)", operation.path):
        schema = {"type": "string", "minLength": 1, "pattern": "^[^/]+$"}
        yield {"name": name, "in": "path", "required": True, "schema": schema}
    if method == "GET" and operation.fields is not None:
        yield from _query_parameters(operation.fields)
    if operation.query is not None:
        yield from _query_parameters(operation.query)


def _query_parameters(table: FieldTable) -> Iterable[dict[str, Any]]:
    return map(_query_parameter, table.fields.values())


def _query_parameter(field: Field[Any]) -> dict[str, Any]:
    schema = field.type.query_schema or field.type.schema
    described = {"name": field.name, "in": "query", "description": field.meaning, "schema": schema}
    return described | {"style": "form", "explode": False} if field.type.is_list else described


def _request_body(operation: Operation) -> dict[str, Any] | None:
    schema = operation.body if operation.fields is None else operation.fields.describe()
    if schema is None:
        return None
    return {"required": operation.needs_body, "content": {operation.body_type: {"schema": schema}}}


# -- responses ---------------------------------------------------------------------------------------------------------


def _responses(operation: Operation, headers: Mapping[str, Schema]) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for answer in operation.answers:
        known = responses.setdefault(str(answer.status), {"description": answer.description})
        for name in answer.headers:
            known.setdefault("headers", {})[name] = {"schema": headers[name]}
        if answer.schema is not None:
            known.setdefault("content", {})[answer.media_type] = {"schema": answer.schema}
    problem = {"$ref": "#/components/responses/Problem"}
    for status, meaning in sorted(operation.errors.items()):
        responses[str(status)] = problem | {"description": meaning}
    return responses | {"default": problem}
