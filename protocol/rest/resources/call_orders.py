"""The REST resource `/call`, as in WCS: calls are begun without a page, and phones hear streams and sounds."""

from http import HTTPStatus
from typing import Any, Final

from attrs import frozen

from protocol.calls.filters import CallFilter
from protocol.calls.fraud_limits import SETTINGS
from protocol.calls.info_texts import CallInfo, CallRefused
from protocol.calls.order import CallOrder, SipLogin
from protocol.rest.errors import RestError, bad_request
from protocol.rest.fields import COUNT, FLAG, TEXT, Field, FieldTable, FieldValues
from protocol.rest.json_body import decode_object
from protocol.rest.resources.calls import CALL_ID

LONGEST_ID: Final = 256
LONGEST_NAME: Final = 2048

CALLEE: Final = Field("callee", TEXT, "a number, a name, or a `sip:` or `tel:` URI")
ACCOUNT: Final = Field("account", TEXT, "an account of `sip.accounts_file`, in the place of the fields sip...")
LOGIN: Final = Field("sipLogin", TEXT, "the user of the SIP account")
AUTHENTICATION_NAME: Final = Field(
    "sipAuthenticationName", TEXT, "the name for the digest; `sipLogin`, if it is absent"
)
PASSWORD: Final = Field("sipPassword", TEXT, "the password of the SIP account")
DOMAIN: Final = Field("sipDomain", TEXT, "the domain of the SIP account, of `sip.servers`")
PROXY: Final = Field("sipOutboundProxy", TEXT, "the proxy that requests go to, of `sip.servers`")
PORT: Final = Field("sipPort", COUNT, "the port of the SIP server")
REGISTER: Final = Field("sipRegisterRequired", FLAG, "only false: the account is not registered for a call")
APP_KEY: Final = Field("appKey", TEXT, "the application whose backend decides; `defaultApp`, if it is absent")
VISIBLE_NAME: Final = Field("visibleName", TEXT, "the name that the phone shows")
TO_STREAM: Final = Field("toStream", TEXT, "the name of a stream that publishes what the phone says")
HAS_AUDIO: Final = Field("hasAudio", FLAG, "only true")
HAS_VIDEO: Final = Field("hasVideo", FLAG, "only false: calls have no video")
RTMP_URL: Final = Field("rtmpUrl", TEXT, "not supported: push the stream `toStream` by /push/startup")
RTMP_STREAM: Final = Field("rtmpStream", TEXT, "not supported")
STREAM_NAME: Final = Field("streamName", TEXT, "the name of a publication")
FILE_NAME: Final = Field("fileName", TEXT, "a WAV file of `push.sounds_folder`")

_LOGIN_FIELDS: Final[tuple[Field[Any], ...]] = (LOGIN, AUTHENTICATION_NAME, PASSWORD, DOMAIN, PROXY, PORT)

STARTUP: Final = FieldTable(
    CALL_ID,
    CALLEE,
    TO_STREAM,
    ACCOUNT,
    *_LOGIN_FIELDS,
    REGISTER,
    APP_KEY,
    VISIBLE_NAME,
    HAS_AUDIO,
    HAS_VIDEO,
    RTMP_URL,
    RTMP_STREAM,
    required=[CALL_ID, CALLEE],
    rules="either `account`, or `sipLogin` and `sipDomain`",
)
INJECT_STREAM: Final = FieldTable(CALL_ID, STREAM_NAME, required=[CALL_ID, STREAM_NAME])
INJECT_SOUND: Final = FieldTable(CALL_ID, FILE_NAME, required=[CALL_ID, FILE_NAME])
STOP_INJECTION: Final = FieldTable(CALL_ID, required=[CALL_ID])


@frozen(kw_only=True)
class Injection:
    """A call, and the name of the stream or file that its phone is to hear."""

    filter: CallFilter
    name: str = ""


def parse_startup(body: bytes) -> CallOrder:
    """The call to begin. RestError (400, 501) for anything not exactly understood."""
    given = STARTUP.read(decode_object(body))
    _check_supported(given)
    return CallOrder(
        call_id=_text(given, CALL_ID, LONGEST_ID),
        callee=_text(given, CALLEE, LONGEST_NAME),
        app_key=given[APP_KEY] or "defaultApp",
        account=given[ACCOUNT] or "",
        login=_login(given),
        visible_name=given[VISIBLE_NAME] or "",
        to_stream=_text(given, TO_STREAM, LONGEST_NAME, may_be_absent=True),
    )


def parse_injection(body: bytes, table: FieldTable) -> Injection:
    """What is to be heard in which call. RestError (400) for anything not exactly understood."""
    given = table.read(decode_object(body))
    return Injection(filter=CallFilter(call_id=given[CALL_ID]), name=given[STREAM_NAME] or given[FILE_NAME] or "")


_STATUSES: Final = {
    CallInfo.CALL_ID_IN_USE: HTTPStatus.CONFLICT,
    CallInfo.CALLEE_MALFORMED: HTTPStatus.BAD_REQUEST,
    CallInfo.CALLEE_REFUSED: HTTPStatus.FORBIDDEN,
    CallInfo.DOMAIN_REFUSED: HTTPStatus.FORBIDDEN,
}
_OWN: Final = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT})


def refusal_of_call(refused: CallRefused) -> RestError:
    """Why no call was begun."""
    known = _STATUSES.get(CallInfo(refused.info)) if refused.info in set(CallInfo) else None
    own = refused.sip_status if refused.sip_status in _OWN else HTTPStatus.SERVICE_UNAVAILABLE
    is_setting = refused.detail in SETTINGS or refused.detail == "sip.accounts_file"
    return RestError(known or own, refused.info, setting=refused.detail if is_setting else None)


# -- inside ------------------------------------------------------------------------------------------------------------


def _check_supported(given: FieldValues) -> None:
    if given[RTMP_URL] or given[RTMP_STREAM]:
        raise RestError(
            HTTPStatus.NOT_IMPLEMENTED, "a call is not pushed itself: push its stream `toStream`", key=RTMP_URL.name
        )
    if given[HAS_VIDEO] or given[HAS_AUDIO] is False:
        raise RestError(HTTPStatus.NOT_IMPLEMENTED, CallInfo.ONLY_AUDIO, key=HAS_VIDEO.name)
    if given[REGISTER]:
        raise RestError(
            HTTPStatus.NOT_IMPLEMENTED, "accounts are registered for pages, not for calls by REST", key=REGISTER.name
        )


def _login(given: FieldValues) -> SipLogin | None:
    named = next((field.name for field in _LOGIN_FIELDS if given[field] is not None), None)
    if given[ACCOUNT]:
        if named is not None:
            raise bad_request(f"{named} does not go with account", key=named)
        return None
    for field in (LOGIN, DOMAIN):
        if not given[field]:
            raise bad_request(f"{field.name} is missing, or account", key=field.name)
    port = given[PORT]
    if port is not None and not 0 < port < 65_536:
        raise bad_request("sipPort must be from 1 to 65535", key=PORT.name)
    return SipLogin(
        login=given[LOGIN] or "",
        domain=given[DOMAIN] or "",
        password=given[PASSWORD] or "",
        authentication_name=given[AUTHENTICATION_NAME] or "",
        outbound_proxy=given[PROXY] or "",
        port=port,
    )


def _text(given: FieldValues, field: Field[str], most: int, *, may_be_absent: bool = False) -> str:
    text = given[field] or ""
    if not (text or may_be_absent) or len(text) > most or not text.isprintable():
        raise bad_request(f"{field.name} must have printable characters, at most {most}", key=field.name)
    return text
