"""The OpenAPI document of a server, and whether an answer is one that it describes."""

import re
from collections.abc import Mapping
from typing import Any

import httpx
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

PATH = "/rest-api/openapi.json"
MAY_BE_ABSENT = {"ETag", "X-Missing-Count", "X-Dropped-Count"}
JSON_TYPES = ("application/json", "application/problem+json")


class Described:
    """A server as its document describes it."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self.paths: Mapping[str, Any] = document["paths"]

    def validate(self) -> None:
        """Raise unless the document is OpenAPI 3.1; this takes a second."""
        OpenAPIV31SpecValidator(self._document).validate()

    def check(self, answer: httpx.Response) -> None:
        """Fail unless the document describes this answer: its status, its content type, and its body."""
        method, path = answer.request.method, answer.request.url.path
        described = self._response(self._operation(method, path), answer.status_code)
        assert set(described.get("headers", ())) <= {name.title() for name in answer.headers} | MAY_BE_ABSENT
        if not answer.content:
            return
        content_type = answer.headers["content-type"].partition(";")[0]
        assert content_type in described["content"], f"{method} {path} answered {content_type}"
        body = answer.json() if content_type in JSON_TYPES else answer.text
        faults = list(self._validator(described["content"][content_type]["schema"]).iter_errors(body))
        assert not faults, f"{method} {path} {answer.status_code}: {faults[0].message} @ {faults[0].json_path}"

    def _operation(self, method: str, path: str) -> Mapping[str, Any]:
        for template, methods in self.paths.items():
            if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path) and method.lower() in methods:
                operation: Mapping[str, Any] = methods[method.lower()]
                return operation
        raise AssertionError(f"{method} {path} is not described")

    def _response(self, operation: Mapping[str, Any], status: int) -> Mapping[str, Any]:
        responses = operation["responses"]
        assert str(status) in responses or status >= httpx.codes.BAD_REQUEST, f"{status} is not described"
        response = responses.get(str(status), responses["default"])
        found: Mapping[str, Any] = self._find(response["$ref"]) if "$ref" in response else response
        return found

    def _find(self, reference: str) -> Any:
        found: Any = self._document
        for step in reference.removeprefix("#/").split("/"):
            found = found[step]
        return found

    def _validator(self, schema: Mapping[str, Any]) -> OAS31Validator:
        return OAS31Validator({**schema, "components": self._document["components"]})
