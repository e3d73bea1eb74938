"""How the start page logs in: by name and password, or by the secret of a one-time link."""

from typing import Any, Final

from protocol.access.credentials import Basic
from protocol.access.identity import Identity
from protocol.rest.errors import bad_request
from protocol.rest.fields import TEXT, Field, FieldTable
from protocol.rest.json_body import decode_object

USER: Final = Field("user", TEXT, "name of the user")
PASSWORD: Final = Field("password", TEXT, "password of the user")
LINK: Final = Field("link", TEXT, "what follows `#login=` in a link of `wcs console`, in place of user and password")

LOGIN: Final = FieldTable(USER, PASSWORD, LINK)


def parse_login(body: bytes) -> Basic | str:
    """A name with its password, or the secret of a link. RestError (400) for anything else."""
    given = LOGIN.read(decode_object(body))
    user, password, link = given[USER], given[PASSWORD], given[LINK]
    if link is not None and user is None and password is None:
        return link
    if user is not None and password is not None and link is None:
        return Basic(user, password)
    raise bad_request("give either user and password, or link")


def login_object(identity: Identity, token: str, lifetime: float) -> dict[str, Any]:
    """The answer to a login: the token for `Authorization: Bearer`, and how long it is valid, in seconds."""
    return {"token": token, "expiresIn": int(lifetime), **caller_object(identity)}


def caller_object(identity: Identity) -> dict[str, Any]:
    """Whom the server takes the caller for."""
    apps = None if identity.apps is None else sorted(identity.apps)
    return {"name": identity.name, "role": str(identity.role), "apps": apps}
