"""Calls: their media, and how many there may be."""

from attrs import frozen

from config.setting import DAY, MANY, PORT, setting
from config.values.calls import ActivityTimeout, ExcludedCodecs
from config.values.kinds import Duration, Integer


# A table reads better than one argument per line.
# fmt: off
@frozen(kw_only=True, slots=False)
class CallMediaSettings:
    """Calls: their media, and how many there may be."""

    media_port_to: int = setting(
        "media_port_to", PORT, "32000",
        "Last UDP port of phones' media. A call has two of the ports from media_port_from + 1 on, while it lasts.",
        heading="Calls: media",
        live=False)
    codecs_exclude_sip: tuple[str, ...] = setting(
        "codecs_exclude_sip", ExcludedCodecs(), "",
        "Codecs that phones are not offered, of opus, g722, alaw and ulaw.")
    rtp_activity_detecting: float = setting(
        "rtp_activity_detecting", ActivityTimeout(), "true,60",
        "Time without media from the phone, in seconds, after which a call ends, if it is not on hold.")
    sip_max_calls: int = setting(
        "sip.max_calls", MANY, "400", "Calls at once, of all pages and phones.", heading="Calls: limits")
    sip_max_calls_per_app: int = setting("sip.max_calls_per_app", MANY, "200", "The same of one application.")
    sip_max_calls_per_account: int = setting("sip.max_calls_per_account", MANY, "20", "The same of one SIP account.")
    sip_max_calls_per_session: int = setting("sip.max_calls_per_session", MANY, "4", "The same of one page.")
    sip_max_calls_per_minute: int = setting(
        "sip.max_calls_per_minute", MANY, "10",
        "Calls in a minute that pages of one address may begin, or try to.")
    sip_max_minutes_per_day: int = setting(
        "sip.max_minutes_per_day", Integer(0, 100_000_000), "10000",
        "Minutes in a day for which pages of one application may have called. Begun ones count. 0: no limit.")
    sip_max_call_duration: float = setting(
        "sip.max_call_duration", Duration("s", 1, DAY, zero_is_forever=True), "14400",
        "How long a call may last. 0: no limit.")
# fmt: on
