"""A caller that has shown who it is."""

import json
from enum import StrEnum
from typing import Any

from attrs import frozen

from protocol.access.accounts import Token, User
from protocol.access.roles import Role


class Proof(StrEnum):
    """How a caller has shown who it is; the first word in logs and in the audit file."""

    USER = "user"
    """A name with its password, or a token that the login form gave for them."""
    TOKEN = "token"  # noqa: S105 - a kind, not a token
    CERTIFICATE = "certificate"
    LINK = "link"
    """The one-time link of `wcs console`."""
    OPEN = "open"
    """Nothing: authentication is off."""


@frozen(kw_only=True)
class Identity:
    """Who calls, and what it may do."""

    proof: Proof
    name: str = ""
    role: Role
    apps: frozenset[str] | None = None
    """The only applications whose streams and sessions the caller sees and acts on; None: all."""

    def __str__(self) -> str:
        """`user alice`, as logs and the audit file show it."""
        return f"{self.proof} {self.name}".rstrip()

    def may(self, needed: Role) -> bool:
        return self.role >= needed


ANYBODY = Identity(proof=Proof.OPEN, role=Role.ADMIN)
"""Every caller while authentication is off."""


def identity_of_user(user: User, proof: Proof = Proof.USER) -> Identity:
    return Identity(proof=proof, name=user.name, role=user.role, apps=user.apps)


def identity_of_token(token: Token) -> Identity:
    return Identity(proof=Proof.TOKEN, name=token.name, role=token.role, apps=token.apps)


@frozen
class PageOwner:
    """Who is logged in to a page, as the nodes of a cluster tell each other."""

    identity: Identity
    user_digest: str | None = None
    """Of the user as it was at the login; None for one who came by a link."""

    def encode(self) -> str:
        who = self.identity
        fields = {"proof": who.proof, "name": who.name, "role": str(who.role), "user": self.user_digest}
        return json.dumps(fields if who.apps is None else {**fields, "apps": sorted(who.apps)}, separators=(",", ":"))

    @classmethod
    def decode(cls, text: str) -> "PageOwner | None":
        """None for what no node has written."""
        try:
            fields: dict[str, Any] = json.loads(text)
            apps = frozenset(fields["apps"]) if "apps" in fields else None
            proof, role = Proof(fields["proof"]), Role.parse(fields["role"])
            return cls(Identity(proof=proof, name=fields["name"], role=role, apps=apps), fields["user"])
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return None
