"""From a URI to what a worker opens: FFmpeg's options, or a file."""

from pathlib import Path
from typing import Final

from actors.workers.capturing import SourceJob
from actors.workers.source_feed import CaptureSource
from config.settings import Settings
from protocol.capture.uri import HTTP_SCHEMES, RTMP_SCHEMES, RTSP_SCHEMES, CaptureScheme, CaptureUri

_LIVE: Final = {"fflags": "nobuffer", "probesize": "65536", "analyzeduration": "1000000"}
"""Begin with little looked at, and hold nothing back."""


def source_of(uri: CaptureUri, settings: Settings, folder: Path, *, name: str, offset: int) -> CaptureSource:
    """What opens this URI. `folder`: that of files. `name`: of the stream. `offset`: of its timestamps."""
    is_file, is_hls = uri.is_file, uri.scheme in HTTP_SCHEMES
    job = SourceJob(
        url=None if is_file else uri.text,
        options=_options(uri, settings),
        connect_timeout=settings.capture_connect_timeout,
        read_timeout=settings.capture_read_timeout,
        paced=is_file or is_hls,
        loops=settings.vod_live_loop and uri.scheme is CaptureScheme.VOD_LIVE,
        offset=offset,
    )
    return CaptureSource(name=name, job=job, file=_within(folder, uri.file) if is_file else None)


def provider_of(uri: CaptureUri) -> str:
    """`mediaProvider`, as hooks and REST have it."""
    if uri.is_file:
        return "VOD"
    if uri.scheme in RTMP_SCHEMES:
        return "RTMP"
    return "RTSP" if uri.scheme in RTSP_SCHEMES else "HLS"


def _options(uri: CaptureUri, settings: Settings) -> dict[str, str]:
    if uri.scheme in RTSP_SCHEMES:
        return {**_LIVE, "rtsp_transport": "tcp" if settings.rtsp_interleaved_mode else "udp"}
    return dict(_LIVE) if uri.scheme in RTMP_SCHEMES else {}


def _within(folder: Path, file: str) -> Path:
    """The file, with every link in its path resolved, if that is in the folder; else one that is not there."""
    path = (folder / file).resolve()
    return path if path.is_relative_to(folder.resolve()) else folder / ""
