"""Capture of cameras, other servers and files: which sources, and where files are."""

from pathlib import Path

from attrs import frozen

from config.capture_sources import CaptureSources
from config.setting import setting
from config.value_types import File
from protocol.capture.rules import CaptureRules


# A table reads better than one argument per line.
# fmt: off
@frozen(kw_only=True, slots=False)
class CaptureSettings:
    """Capture of cameras, other servers and files: which sources, and where files are."""

    capture_allow: CaptureRules = setting(
        "capture.allow", CaptureSources(), "",
        "The hosts whose rtsp, rtmp and m3u8 sources clients may play by their URIs. *: any, but not this machine and "
        "link-local addresses, which must be listed themselves. Empty: none; names given by `wcs add source` and REST "
        "need not be listed.",
        heading="Capture of cameras, other servers and files")
    capture_vod_folder: Path | None = setting(
        "capture.vod_folder", File(), "",
        "The folder of the files that vod://FILE names. Empty: `media` in the state folder.",
        live=False)
# fmt: on
