"""What a route of the web service does, declared: who may call it, what it takes, what it answers.

The declaration is what requests are checked against and what the OpenAPI document is made of.
"""

from collections.abc import Mapping
from typing import Final

from attrs import field, frozen

from protocol.access.roles import Role
from protocol.rest.fields import FieldTable, Schema

ANYONE: Final = None
"""In place of a role: callers need no credentials."""


@frozen(kw_only=True)
class Answer:
    """A successful response. `schema`: of its body, of type string if that is not JSON; None: the body is empty.

    A schema that has a `title` appears once in the document, under that name.
    """

    description: str
    status: int = 200
    schema: Schema | None = None
    media_type: str = "application/json"
    headers: tuple[str, ...] = ()
    """Those that matter to a program, out of those that CORS exposes."""


@frozen(kw_only=True)
class Operation:
    """A path and what it does. `role` has no default, so that every route says who may call it."""

    path: str
    """As Starlette takes it: parts in braces, such as `{name:str}`, are parameters."""
    action: str | None = None
    """If set, only requests with this query parameter `action` are meant, as in `/?action=stat`."""
    methods: tuple[str, ...] = ("GET",)
    role: Role | None
    """The least role that may call it; ANYONE: no credentials needed."""
    summary: str
    """What it does, in a few words: `find streams`."""
    description: str = ""
    """More of it, if there is more to know."""
    fields: FieldTable | None = None
    """The fields of a request: in the JSON body of a POST, in the query string of a GET."""
    query: FieldTable | None = None
    """Parameters of the query string beside `fields`, whatever the method."""
    needs_body: bool = True
    """Whether a POST must have a body; without one, no field is given."""
    body: Schema | None = None
    """The body of a POST that no table describes."""
    body_type: str = "application/json"
    """The media type of that."""
    answers: tuple[Answer, ...] = ()
    """How it answers when it succeeds."""
    errors: Mapping[int, str] = field(factory=dict)
    """What errors mean here, by status, as far as it is not the same everywhere."""
    is_endless: bool = False
    """Whether a successful answer goes on until the client leaves or the server stops."""
    is_described: bool = True
    """Whether it appears in the OpenAPI document: the files of the start page do not."""
