"""How a setting is declared, and the values that several settings can have."""

from enum import StrEnum
from typing import Any, TypeVar

import attrs
from attrs import frozen

from config.unsupported_wcs_settings import FOREIGN_CODECS
from config.values.kinds import Duration, Integer, Kind, OrderedChoices

T = TypeVar("T")

DAY = 86_400
DAY_MS = 86_400_000
PORT = Integer(0, 65535)
MANY = Integer(1, 10_000_000)
BYTES = Integer(1024, 1_073_741_824, "bytes")
TIMEOUT = Duration("ms", 100, DAY_MS)
CODECS = OrderedChoices(
    {"opus": "OPUS", "ulaw": "PCMU", "alaw": "PCMA", "vp8": "VP8", "h264": "H264", "vp9": "VP9", "av1": "AV1"},
    FOREIGN_CODECS,
)


class LogFormat(StrEnum):
    """How log lines are written: as text for people, or one JSON object per line."""

    TEXT = "text"
    JSON = "json"


class LogLevel(StrEnum):
    """The minimum level of the log lines to write."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class TerminateAll(StrEnum):
    """Whether a terminate request without any filter may stop every stream."""

    ALLOW = "allow"
    DENY = "deny"


class MediaSender(StrEnum):
    """Which sender encrypts and sends media: the fast one where it works, always the portable one, or only the fast."""

    AUTO = "auto"
    PORTABLE = "portable"
    FAST = "fast"


class RestAuth(StrEnum):
    """Whether callers of REST must log in: always, never, or as `config.rest_auth` decides."""

    AUTO = "auto"
    REQUIRED = "required"
    OFF = "off"


class RecordPolicy(StrEnum):
    """What files of recordings are called: as their stream, or by a template."""

    STREAM_NAME = "streamName"
    TEMPLATE = "template"


class RecordsAccess(StrEnum):
    """Who may fetch recordings over HTTP."""

    PUBLIC = "public"
    AUTHENTICATED = "authenticated"
    OFF = "off"


class RegistryDown(StrEnum):
    """What happens to new publications while the registry of the cluster is away."""

    ACCEPT = "accept"
    REFUSE = "refuse"


class PartialAnswer(StrEnum):
    """The status of a request that was carried out on some nodes while others did not answer."""

    UNAVAILABLE = "503"
    OK = "200"


class HookOrder(StrEnum):
    """Which hooks are kept in order: those of one session, or those of the whole server in a single queue."""

    SESSION = "session"
    GLOBAL = "global"


@frozen(kw_only=True)
class Setting:
    """One row of the table. `default` is text, as in a settings file; `heading` starts a new group."""

    key: str
    kind: Kind[Any]
    default: str
    meaning: str
    heading: str | None = None
    live: bool = True
    """Whether a reload changes it in a running server; otherwise it waits for a restart."""

    @property
    def attribute(self) -> str:
        """Its name in `Settings`."""
        return self.key.replace(".", "_")

    @property
    def is_secret(self) -> bool:
        """Whether its value must never be printed."""
        return any(word in self.key for word in ("password", "secret", "token", "redis_url"))


def setting(key: str, kind: Kind[T], default: str, meaning: str, *, heading: str | None = None, live: bool = True) -> T:
    """Declare a field of `Settings`."""
    described = Setting(key=key, kind=kind, default=default, meaning=meaning, heading=heading, live=live)
    return attrs.field(default=kind.read(default), repr=not described.is_secret, metadata={"setting": described})
