"""Pushing streams to RTMP servers: where to, how many, and what becomes of picture and sound."""

from pathlib import Path

from attrs import frozen

from config.setting import TIMEOUT, setting
from config.values.capture import CaptureSources
from config.values.kinds import Boolean, Duration, File, Integer, Text
from protocol.capture.rules import CaptureRules


# A table reads better than one argument per line.
# fmt: off
@frozen(kw_only=True, slots=False)
class PushSettings:
    """Pushing streams to RTMP servers: where to, how many, and what becomes of picture and sound."""

    push_allow: CaptureRules = setting(
        "push.allow", CaptureSources(), "",
        "The hosts to which pages may have their streams pushed (rtmpUrl). *: any, but not this machine and link-local "
        "addresses, which must be listed themselves. Empty: none; REST may name any.",
        heading="Pushing to RTMP servers")
    push_max_running: int = setting(
        "push.max_running", Integer(0, 10_000), "20",
        "Pushes at once; each is a process of 20 MB. A quarter of them is kept for REST.")
    push_timeout: float = setting(
        "push.timeout", TIMEOUT, "10000",
        "What a target has to take the connection, to take the stream, and to go on taking it.")
    push_reconnect_attempts: int = setting(
        "push.reconnect_attempts", Integer(0, 1000), "0",
        "How often a lost target is tried again, before the push fails. A minute of success makes it forget.")
    push_reconnect_delay: float = setting(
        "push.reconnect_delay", Duration("ms", 100, 30_000), "1000",
        "Before the first time; then twice as long each time, up to 30 s.")
    push_transcode: bool = setting(
        "push.transcode", Boolean(), "false",
        "Turn VP8, VP9 and AV1 into H264, which RTMP needs. It takes a large part of a core for each push. false: only "
        "H264 is pushed.")
    push_transcode_bitrate: int = setting(
        "push.transcode_bitrate", Integer(100, 20_000, "kbps"), "2000", "Of a picture that is transcoded, at most.")
    push_ca_file: Path | None = setting(
        "push.ca_file", File(), "",
        "PEM file of the certificates to trust at rtmps:// targets. Empty: those that the system trusts.")
    push_sounds_folder: Path | None = setting(
        "push.sounds_folder", File(), "",
        "The folder of the files that /push/sound_on and /call/inject_sound may name. Empty: `sounds` in the state "
        "folder.")
    rtmp_transponder_full_url: bool = setting(
        "rtmp_transponder_full_url", Boolean(), "false",
        "Take rtmpUrl as the whole address, key included; false: add the stream's name to it. REST may say so itself.")
    rtmp_transponder_stream_name_prefix: str | None = setting(
        "rtmp_transponder_stream_name_prefix", Text(), "rtmp_", "Put before the stream's name at the target.")
# fmt: on
