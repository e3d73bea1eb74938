"""Who sends a request, as handlers see it: an identity, the applications it is bound to, and a note for the audit file.

The guard has put all of it into the `state` of the scope.
"""

from collections.abc import MutableMapping
from http import HTTPStatus
from typing import Any, TypeVar

from attrs import evolve
from starlette.types import Scope

from protocol.access.identity import Identity
from protocol.access.roles import Role
from protocol.calls.filters import CallFilter
from protocol.node.filters import ConnectionFilter, RoomFilter, StreamFilter
from protocol.rest.errors import RestError

_IDENTITY = "identity"
_ROLE = "role"
_NOTES = "audit"

F = TypeVar("F", StreamFilter, ConnectionFilter, RoomFilter, CallFilter)


def set_identity(scope: Scope, identity: Identity, role: Role | None) -> None:
    """Say who sends the request, and the role that it needs, if any."""
    _state(scope).update({_IDENTITY: identity, _ROLE: role})


def role_of(scope: Scope) -> Role | None:
    """The role that the request needs; None: none."""
    needed: Role | None = _state(scope).get(_ROLE)
    return needed


def identity_of(scope: Scope) -> Identity:
    """Who sends the request; KeyError where the guard has not let it in."""
    identity: Identity = scope["state"][_IDENTITY]
    return identity


def known_identity(scope: Scope) -> Identity | None:
    """As `identity_of`, or None."""
    known: Identity | None = _state(scope).get(_IDENTITY)
    return known


def narrowed(scope: Scope, query: F) -> F:
    """`query`, and only what belongs to the applications that the caller is bound to.

    Every search and every action on streams and sessions goes through this.
    """
    apps = identity_of(scope).apps
    return query if apps is None else evolve(query, app_keys=apps)


def check_unbound(scope: Scope, what: str) -> None:
    """RestError (403) for a caller that is bound to applications: `what` concerns the whole server."""
    if identity_of(scope).apps is not None:
        raise RestError(HTTPStatus.FORBIDDEN, f"{what} concerns all applications, and this login is bound to some")


def note(scope: Scope, **facts: object) -> None:
    """Add to the audit line of this request, such as `filter` and `matched`."""
    _state(scope).setdefault(_NOTES, {}).update(facts)


def notes(scope: Scope) -> MutableMapping[str, Any]:
    """What handlers have noted."""
    found: MutableMapping[str, Any] = _state(scope).get(_NOTES, {})
    return found


def _state(scope: Scope) -> MutableMapping[str, Any]:
    state: MutableMapping[str, Any] = scope.setdefault("state", {})
    return state
