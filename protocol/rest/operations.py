"""What a route of the web service does, declared: who may call it, what it takes, what it answers.

The declaration is what requests are checked against and what the OpenAPI document is made of.
"""

from typing import Final

from attrs import frozen

from protocol.access.roles import Role
from protocol.rest.fields import FieldTable, Schema

ANYONE: Final = None
"""In place of a role: callers need no credentials."""


@frozen(kw_only=True)
class Answer:
    """A successful response. `schema`: of its JSON body; None if the body is empty or not JSON.

    A schema that has a `title` appears once in the document, under that name.
    """

    description: str
    status: int = 200
    schema: Schema | None = None
    media_type: str = "application/json"
    headers: tuple[str, ...] = ()
    """Those that matter to a program, out of `OUR_HEADERS`."""


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
    answers: tuple[Answer, ...] = ()
    """How it answers when it succeeds."""
    is_described: bool = True
    """Whether it appears in the OpenAPI document: the files of the start page do not."""
