"""Recording: who may, how much, and what the files are called."""

from pathlib import Path

from attrs import frozen

from config.setting import TIMEOUT, RecordPolicy, RecordsAccess, setting
from config.values.kinds import Boolean, Choice, File, Integer, StringList
from config.values.records import RecordRotation, RecordTemplate
from protocol.stream.record_names import WCS_PROGRAMS
from protocol.stream.rotation import Rotation

_FILE_BYTES = Integer(1 << 20, 1 << 50, "bytes")


# A table reads better than one argument per line.
# fmt: off
@frozen(kw_only=True, slots=False)
class RecordSettings:
    """Recording: who may, how much, and what the files are called."""

    record_streams: bool = setting(
        "record_streams", Boolean(), "true",
        "Whether streams are recorded whose pages ask for it (record: true), or that REST says are to be.",
        heading="Recording")
    record_streams_app_keys: tuple[str, ...] = setting(
        "record_streams_app_keys", StringList("application keys"), "",
        "The applications whose pages may have streams recorded. Empty: all.")
    stream_record_policy: RecordPolicy = setting(
        "stream_record_policy", Choice(RecordPolicy), "template",
        "What files are called. streamName: as the stream. template: see the next setting.")
    stream_record_policy_template: str = setting(
        "stream_record_policy_template", RecordTemplate(), "stream-{mediaSessionId}-{login}",
        "The name of a file, without its ending.")
    record_rotation: Rotation | None = setting(
        "record_rotation", RecordRotation(), "",
        "When a recording goes on in a new file: after this size (20M) or time (3600: seconds). Empty: never.")
    on_record_hook_script: Path | None = setting(
        "on_record_hook_script", File(WCS_PROGRAMS), "",
        "A program that is run for each finished file, with the stream's name and the file's path. Empty: none."
        " A relative path is one in the folder bin of WCS.")
    records_hook_timeout: float = setting(
        "records.hook_timeout", TIMEOUT, "300000",
        "What that program may take for one file. Then it is killed.")
    records_folder: Path | None = setting(
        "records.folder", File(), "",
        "The folder of recordings. Empty: `records` in the state folder.",
        live=False)
    records_max_running: int = setting(
        "records.max_running", Integer(0, 10_000), "50", "Recordings at once; each is a process of 3 to 9 MB.")
    records_max_bytes: int = setting(
        "records.max_bytes", _FILE_BYTES, "10737418240",
        "What all files in the folder may have together. Beyond it no recording begins.")
    records_max_file_bytes: int = setting(
        "records.max_file_bytes", _FILE_BYTES, "2147483648", "What one file may have. Then its recording ends.")
    records_min_free: int = setting(
        "records.min_free", Integer(0, 1 << 50, "bytes"), "1073741824",
        "What stays free on the disk. Below it no recording begins, and those that run end.")
    records_access: RecordsAccess = setting(
        "records.access", Choice(RecordsAccess), "authenticated",
        "Who may fetch /client/records/NAME: everybody who knows the name, callers with the role view, or nobody.")
# fmt: on
