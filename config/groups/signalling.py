"""Where pages connect, and what one connection may do."""

from pathlib import Path

from attrs import frozen

from config.setting import BYTES, DAY_MS, PORT, setting
from config.values.addresses import Address, Proxies
from config.values.kinds import Boolean, Duration, File, Integer
from config.values.web import Origins
from protocol.access.client_address import TrustedProxies


# A table reads better than one argument per line.
# fmt: off
@frozen(kw_only=True, slots=False)
class SignallingSettings:
    """Where pages connect, and what one connection may do."""

    ws_address: str | None = setting(
        "ws.address", Address(), "", "Where ws:// listens. Empty: every address.",
        heading="Signalling (WebSocket)",
        live=False)
    ws_port: int = setting(
        "ws.port", PORT, "8080", "TCP port of ws://. 0: any free port.",
        live=False)
    wss_address: str | None = setting(
        "wss.address", Address(), "", "Where wss:// listens. Empty: every address.",
        live=False)
    wss_port: int = setting(
        "wss.port", PORT, "8443", "TCP port of wss://. 0: any free port.",
        live=False)
    ws_proxy_protocol: bool = setting(
        "ws.proxy_protocol", Boolean(), "false",
        "Require the PROXY protocol, version 2, at ws.port, from trusted_proxies only.",
        live=False)
    wss_proxy_protocol: bool = setting(
        "wss.proxy_protocol", Boolean(), "false", "The same at wss.port, in front of TLS.",
        live=False)
    wss_cert: Path | None = setting(
        "wss.cert", File(), "",
        "Certificate chain (PEM) of wss:// and https://. Empty: a self-signed one, kept in the state folder.")
    wss_key: Path | None = setting(
        "wss.key", File(), "", "Private key (PEM) of wss.cert.")
    ws_allowed_origins: tuple[str, ...] = setting(
        "ws.allowed_origins", Origins(needed=True), "*",
        "Origins of the web pages that may connect. *: any.")
    ws_max_frame_size: int = setting(
        "ws.max_frame_size", BYTES, "1048576", "Largest frame a client may send.")
    ws_max_frame_elements: int = setting(
        "ws.max_frame_elements", Integer(1000, 10_000_000), "20000",
        "Most values and keys in one frame of a client. They cost more memory and time than the frame's size suggests.")
    ws_max_frames_per_second: int = setting(
        "ws.max_frames_per_second", Integer(10, 1_000_000), "500",
        "Sustained rate of frames from one client; every 4 KiB of a frame count as one more. Bursts of six seconds'"
        " worth are allowed. A faster client is not disconnected, only read more slowly.")
    ws_max_frames_per_second_per_address: int = setting(
        "ws.max_frames_per_second_per_address", Integer(10, 10_000_000), "2000",
        "The same for all clients at one address or IPv6 /64. The first 20 frames per second of each are not counted.")
    ws_max_frames_per_second_in_all: int = setting(
        "ws.max_frames_per_second_in_all", Integer(10, 10_000_000), "3000",
        "The same for all clients together. 1,000 frames per second take a tenth of a core or slightly more.")
    trusted_proxies: TrustedProxies = setting(
        "trusted_proxies", Proxies(), "",
        "Proxies in front of ws, wss, http and https. From them alone X-Forwarded-For, X-Forwarded-Proto and the PROXY"
        " protocol are believed. With one on this machine, loopback clients are not taken for programs on it.",
        live=False)
    keep_alive_server_interval: float = setting(
        "keep_alive.server_interval", Duration("ms", 10, DAY_MS), "5000", "Interval between pings to a client.")
    keep_alive_probes: int = setting(
        "keep_alive.probes", Integer(1, 1000), "10", "Unanswered pings after which a client is considered gone.")
    keep_alive_session_timeout: float = setting(
        "keep_alive.session_timeout", Duration("ms", 0, DAY_MS), "3600000",
        "How long registration and calls of a client that has asked for it (keepAlive) wait for it to come back after "
        "its connection is lost. 0: not at all.")
    inbound_video_rate_stat_send_interval: int = setting(
        "inbound_video_rate_stat_send_interval", Integer(0, 60, "seconds"), "0",
        "How often a publisher's page is told how much video arrives, for CONNECTION_QUALITY of the SDK, which expects"
        " 1. 0: never.")
    outbound_video_rate_stat_send_interval: int = setting(
        "outbound_video_rate_stat_send_interval", Integer(0, 60, "seconds"), "0",
        "The same for players, and what they are sent. More than 1,000 streams are not told.")
    session_debug_reports: bool = setting(
        "session_debug_reports", Boolean(), "true",
        "Whether a page may have what happens in its session written to a file (session.startDebug of the SDK), and"
        " whether those files are served, at /client/debug/NAME.")
# fmt: on
