"""Every setting of the server: one table, in the names of WCS, with its type, range, default and meaning.

The attribute of a setting is its key with `_` for `.`; a duration is always in seconds as a float (math.inf: no
limit), whatever unit the key is written in. `config.loading` reads a file and command line into it. The rows are in
`config/groups/`.
"""

from collections.abc import Mapping

import attrs
from attrs import frozen

from config.groups.call_media import CallMediaSettings
from config.groups.capture import CaptureSettings
from config.groups.cluster import ClusterSettings
from config.groups.hooks import HookSettings
from config.groups.limits import LimitSettings
from config.groups.media import MediaSettings
from config.groups.operator import OperatorSettings
from config.groups.process import ProcessSettings
from config.groups.public import PublicSettings
from config.groups.pushes import PushSettings
from config.groups.records import RecordSettings
from config.groups.rest_api import RestSettings
from config.groups.signalling import SignallingSettings
from config.groups.sip import SipSettings
from config.groups.snapshots import SnapshotSettings
from config.setting import (
    HookOrder,
    LogFormat,
    LogLevel,
    MediaSender,
    PartialAnswer,
    RecordPolicy,
    RecordsAccess,
    RegistryDown,
    RestAuth,
    Setting,
    TerminateAll,
)

__all__ = [
    "TABLE",
    "HookOrder",
    "LogFormat",
    "LogLevel",
    "MediaSender",
    "PartialAnswer",
    "RecordPolicy",
    "RecordsAccess",
    "RegistryDown",
    "RestAuth",
    "Setting",
    "Settings",
    "TerminateAll",
]


@frozen(kw_only=True)
class Settings(
    ProcessSettings,
    OperatorSettings,
    ClusterSettings,
    HookSettings,
    PublicSettings,
    RestSettings,
    LimitSettings,
    CaptureSettings,
    SnapshotSettings,
    RecordSettings,
    PushSettings,
    CallMediaSettings,
    SipSettings,
    MediaSettings,
    SignallingSettings,
):
    """The effective settings of one server. `Settings()` has every default.

    The fields of the last base come first, so the table has the order of the settings file.
    """


TABLE: Mapping[str, Setting] = {
    described.key: described for described in (entry.metadata["setting"] for entry in attrs.fields(Settings))
}
