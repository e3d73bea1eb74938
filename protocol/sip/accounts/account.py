"""An account at a SIP server, as a page, a backend or an operator names it."""

from typing import Final

from attrs import field, frozen

from protocol.sip.accounts.servers import SETTING, SipServers
from protocol.sip.messages.digest import SipCredentials
from protocol.sip.messages.headers import NameAddress, SipUri, escaped_user, parse_host_port
from protocol.sip.messages.message import SipError

MAX_TEXT: Final = 128


class BadAccount(ValueError):
    """No account; the text names the field, and no secret."""


@frozen(kw_only=True)
class SipAccount:
    """See above. `proxy` is where requests go first, if not to the domain's own server."""

    login: str
    domain: str
    port: int | None = None
    proxy: tuple[str, int | None] | None = None
    credentials: SipCredentials | None = field(default=None, repr=False)
    display_name: str = ""

    @property
    def address(self) -> NameAddress:
        """Who it is."""
        uri = SipUri(user=escaped_user(self.login), host=self.domain)
        return NameAddress(uri=uri, display_name=self.display_name)

    @property
    def registrar(self) -> SipUri:
        return SipUri(host=self.domain)

    @property
    def server(self) -> tuple[str, int | None]:
        """Host and port of the server that its requests go to."""
        return self.proxy or (self.domain, self.port)


def make_account(
    servers: SipServers,
    *,
    login: str,
    domain: str,
    password: str = "",
    authentication_name: str = "",
    outbound_proxy: str = "",
    port: int | None = None,
    display_name: str = "",
) -> SipAccount:
    """An account with its fields checked. Raises BadAccount; a domain that is not listed is told to be so."""
    for name, text in (
        ("sipLogin", login),
        ("sipAuthenticationName", authentication_name),
        ("visibleName", display_name),
    ):
        if len(text) > MAX_TEXT or not text.isprintable():
            raise BadAccount(f"{name} is too long, or has characters that it must not have")
    if not _is_text(password):
        raise BadAccount("sipPassword has characters that it must not have")
    if not login:
        raise BadAccount("sipLogin is empty")
    host, own_port = _place("sipDomain", domain)
    proxy = _place("sipOutboundProxy", outbound_proxy) if outbound_proxy else None
    for name, known in (("sipDomain", host), ("sipOutboundProxy", proxy[0] if proxy else host)):
        if not servers.may_name(known):
            raise BadAccount(f"{name}: {known} is not listed in {SETTING}")
    if proxy is not None and proxy[1] is None:
        proxy = proxy[0], port
    return SipAccount(
        login=login,
        domain=host,
        port=own_port or port,
        proxy=proxy,
        credentials=SipCredentials(username=authentication_name or login, password=password) if password else None,
        display_name=display_name,
    )


def _is_text(text: str) -> bool:
    """Whether it can be written as UTF-8."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _place(name: str, text: str) -> tuple[str, int | None]:
    try:
        return parse_host_port(text)
    except SipError:
        raise BadAccount(f"{name} is no host such as pbx.example.com") from None
