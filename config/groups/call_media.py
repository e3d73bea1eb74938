"""Media of calls."""

from attrs import frozen

from config.call_values import ActivityTimeout, ExcludedCodecs
from config.setting import PORT, setting


# A table reads better than one argument per line.
# fmt: off
@frozen(kw_only=True, slots=False)
class CallMediaSettings:
    """Media of calls."""

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
# fmt: on
