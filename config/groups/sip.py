"""SIP: the servers of the operator, and what pages may have done with them."""

from pathlib import Path

from attrs import frozen

from config.setting import DAY, PORT, setting
from config.values.addresses import Address
from config.values.kinds import Boolean, Choice, Duration, File, Integer
from config.values.sip import Callees, SipServerList
from protocol.calls.protection import SdesRule
from protocol.sip.accounts.callee import CalleePatterns
from protocol.sip.accounts.servers import SipServers


# A table reads better than one argument per line.
# fmt: off
@frozen(kw_only=True, slots=False)
class SipSettings:
    """SIP: the servers of the operator, and what pages may have done with them."""

    sip_servers: SipServers = setting(
        "sip.servers", SipServerList(), "",
        "The SIP servers (PBX, registrar, carrier) of which pages may be phones: their domains and proxies. Nothing is "
        "sent to others, and nothing taken from them. *: any at a public address. Empty: no SIP at all.",
        heading="Calls: SIP",
        live=False)
    port_from: int = setting(
        "port_from", PORT, "30000", "UDP and TCP port of SIP, one for all. 0: any free port.",
        live=False)
    sip_address: str | None = setting(
        "sip.address", Address(), "",
        "Address to bind SIP to. Empty: every address.",
        live=False)
    sip_ca_file: Path | None = setting(
        "sip.ca_file", File(), "",
        "PEM file of the certificates to trust at SIP servers by TLS. Empty: those that the system trusts.")
    sip_accounts_file: Path | None = setting(
        "sip.accounts_file", File(), "",
        "File (TOML, mode 0600) of the SIP accounts that /call/startup may name, so that no request needs a password. "
        "It is read for each call.")
    sip_sdes: SdesRule = setting(
        "sip.sdes", Choice(SdesRule), "tls",
        "Where media of phones may be SRTP with keys in SDP. tls: only if SIP goes by TLS; always: by UDP and TCP too, "
        "where the keys can be read on the way; required: as tls, and a phone without SRTP has no call.")
    sip_registration_expires: int = setting(
        "sip.registration_expires", Integer(60, 86_400, "seconds"), "600",
        "How long a page's registration is asked to hold; it is refreshed before.")
    sip_max_registrations: int = setting(
        "sip.max_registrations", Integer(0, 100_000), "1000", "Pages that are registered at SIP servers at once.")
    sip_callee_allow: CalleePatterns = setting(
        "sip.callee_allow", Callees(), "*",
        "Whom pages may call; * is any text. Where patterns of both lists match, the closer one counts: with +49*, "
        "numbers of one country may be called.")
    sip_callee_deny: CalleePatterns = setting(
        "sip.callee_deny", Callees(), "+*,00*", "Whom pages may not call: by default, other countries.")
    sip_accept_refer: bool = setting(
        "sip.accept_refer", Boolean(), "false",
        "Whether phones may have a call of a page go on with somebody else (REFER), whom this server then calls. The "
        "rules and limits of calls hold for whom they name; the hook OnTransferEvent is asked.")
    sip_connect_timeout: float = setting(
        "sip.connect_timeout", Duration("ms", 100, DAY * 1000), "5000",
        "How long connecting to a SIP server by TCP or TLS may take.")
# fmt: on
