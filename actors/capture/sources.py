"""From a URI to what a worker opens: FFmpeg's options, or a file."""

import ssl
from functools import partial
from pathlib import Path
from typing import Final

import trio

from actors.runtime.logs import RateLimitedLog, get_logger
from actors.workers.capturing.capturing import CaptureSource, SourceJob
from actors.workers.capturing.source_access import SourceAccess
from actors.workers.capturing.source_forwarder import SourceForwarder, ports_for
from config.settings import Settings
from protocol.capture.uri import HTTP_SCHEMES, RTMP_SCHEMES, RTSP_SCHEMES, CaptureScheme, CaptureUri

log = get_logger("capture")

_LIVE: Final = {"probesize": "65536", "analyzeduration": "500000"}
"""Begin with little looked at. (`nobuffer` would throw away what was looked at, and with it the first key frame.)"""

_SYSTEM_CERTIFICATES: Final = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt")
"""Where Debian and Red Hat have them."""


def source_of(
    uri: CaptureUri, settings: Settings, folder: Path, *, name: str, offset: int, access: SourceAccess | None = None
) -> CaptureSource:
    """What opens this URI. `folder`: that of files. `name`: of the stream. `offset`: of its timestamps.

    `access`: the rules for what clients name; None: anything may be reached.
    """
    is_file, is_hls = uri.is_file, uri.scheme in HTTP_SCHEMES
    trust = {} if is_file else _trust(settings)
    job = SourceJob(
        url=None if is_file else uri.text,
        options=_options(uri, over_tcp=settings.rtsp_interleaved_mode or access is not None) | trust,
        ca_file=trust.get("ca_file"),
        connect_timeout=settings.capture_connect_timeout,
        read_timeout=settings.capture_read_timeout,
        paced=is_file or is_hls,
        loops=settings.vod_live_loop and uri.scheme is CaptureScheme.VOD_LIVE,
        transcode=settings.capture_transcode_bitrate * 1000 if settings.capture_transcode else 0,
        offset=offset,
        ports=() if access is None or is_file else ports_for(uri),
        needs_isolation=access is not None and (uri.has_transport_option or not access.trusts_address(uri.host)),
    )
    if is_file:
        return CaptureSource(name=name, job=job, file=_within(folder, uri.file), ends=True)
    if access is None:
        return CaptureSource(name=name, job=job, ends=is_hls)
    complaints = RateLimitedLog(log, clock=trio.current_time)
    forwarder = partial(SourceForwarder, access, complaints)
    return CaptureSource(name=name, job=job, ends=is_hls, make_forwarder=forwarder)


def provider_of(uri: CaptureUri) -> str:
    """`mediaProvider`, as hooks and REST have it."""
    if uri.is_file:
        return "VOD"
    if uri.scheme in RTMP_SCHEMES:
        return "RTMP"
    return "RTSP" if uri.scheme in RTSP_SCHEMES else "HLS"


def _options(uri: CaptureUri, *, over_tcp: bool) -> dict[str, str]:
    if uri.scheme in RTSP_SCHEMES:
        return {**_LIVE, "rtsp_transport": "tcp" if over_tcp else "udp"}
    return dict(_LIVE) if uri.scheme in RTMP_SCHEMES else {}


def _trust(settings: Settings) -> dict[str, str]:
    """FFmpeg's options for TLS, which a redirect may lead to from other schemes, too."""
    if not settings.capture_tls_verify:
        return {"tls_verify": "0"}  # whatever the default of its version is
    ca_file = settings.capture_ca_file
    files = (str(ca_file),) if ca_file is not None else (ssl.get_default_verify_paths().cafile, *_SYSTEM_CERTIFICATES)
    found = next((file for file in files if file is not None and Path(file).is_file()), None)
    return {"tls_verify": "1"} | ({} if found is None else {"ca_file": found})


def _within(folder: Path, file: str) -> Path:
    """The file, with every link in its path resolved, if that is in the folder; else one that is not there."""
    path = (folder / file).resolve()
    return path if path.is_relative_to(folder.resolve()) else folder / ""
