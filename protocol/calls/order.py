"""A call that REST orders."""

from attrs import field, frozen


@frozen(kw_only=True)
class SipLogin:
    """An account as a request gives it, or a file of accounts; not checked yet."""

    login: str
    domain: str
    password: str = field(default="", repr=False)
    authentication_name: str = ""
    outbound_proxy: str = ""
    port: int | None = None


@frozen(kw_only=True)
class CallOrder:
    """`account` names an entry of the operator's file; without it, `login` is the account."""

    call_id: str
    callee: str
    app_key: str
    account: str = ""
    login: SipLogin | None = None
    visible_name: str = ""
    to_stream: str = ""
