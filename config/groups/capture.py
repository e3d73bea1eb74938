"""Capture of cameras, other servers and files: which sources, how long, and where files are."""

from pathlib import Path

from attrs import frozen

from config.setting import DAY_MS, setting
from config.values.capture import CaptureSources
from config.values.kinds import Boolean, Duration, File, Integer, Text
from protocol.capture.rules import CaptureRules


# A table reads better than one argument per line.
# fmt: off
@frozen(kw_only=True, slots=False)
class CaptureSettings:
    """Capture of cameras, other servers and files: which sources, how long, and where files are."""

    capture_allow: CaptureRules = setting(
        "capture.allow", CaptureSources(), "",
        "The hosts whose rtsp, rtmp and m3u8 sources clients may play by their URIs. *: any, but not this machine and "
        "link-local addresses, which must be listed themselves. Empty: none; names given by `wcs add source` and REST "
        "need not be listed.",
        heading="Capture of cameras, other servers and files")
    capture_app: str | None = setting(
        "capture.app", Text(), "defaultApp",
        "The application of captured streams: its backend gets their StreamStatusEvent and keep-alive.")
    capture_max_running: int = setting(
        "capture.max_running", Integer(0, 10_000), "20",
        "Captures at once; each is a process of 15 to 30 MB and takes 2 to 4 % of a core. More: Server is overloaded.")
    capture_linger: float = setting(
        "capture.linger", Duration("ms", 0, DAY_MS), "10000",
        "How long a capture that a player started goes on after its last player.")
    capture_connect_timeout: float = setting(
        "capture.connect_timeout", Duration("ms", 100, 600_000), "10000",
        "How long connecting to a source may take; its first media has capture.read_timeout.")
    capture_read_timeout: float = setting(
        "capture.read_timeout", Duration("ms", 100, 600_000), "5000",
        "A source that is silent for so long is connected to again, or not open if it has sent no media.")
    capture_tls_verify: bool = setting(
        "capture.tls_verify", Boolean(), "true",
        "Whether rtsps, rtmps and https sources must have certificates that are trusted and for their hosts. Cameras "
        "that have made theirs themselves need capture.ca_file, or false.")
    capture_ca_file: Path | None = setting(
        "capture.ca_file", File(), "",
        "PEM file of the certificates to trust at such sources. Empty: those that the system trusts.")
    capture_max_load: int = setting(
        "capture.max_load", Integer(1, 100, "percent"), "50",
        "The share of all cores that captures may take together; beyond it none begins: Server is overloaded.")
    capture_transcode: bool = setting(
        "capture.transcode", Boolean(), "false",
        "Turn H265, and H264 with B-frames, into what browsers can be sent. It takes a large part of a core for each "
        "such source. false: they are refused.")
    capture_transcode_bitrate: int = setting(
        "capture.transcode_bitrate", Integer(100, 20_000, "kbps"), "2000", "Of a picture that is transcoded, at most.")
    record_rtsp_streams: bool = setting(
        "record_rtsp_streams", Boolean(), "false",
        "Whether captured streams are recorded, all of them, while record_streams permits it.")
    rtsp_interleaved_mode: bool = setting(
        "rtsp_interleaved_mode", Boolean(), "true", "RTSP sources send over TCP; false: over UDP.")
    vod_live_loop: bool = setting(
        "vod_live_loop", Boolean(), "false", "Whether vod-live:// files begin again at their end.")
    capture_vod_folder: Path | None = setting(
        "capture.vod_folder", File(), "",
        "The folder of the files that vod://FILE names. Empty: `media` in the state folder.",
        live=False)
# fmt: on
