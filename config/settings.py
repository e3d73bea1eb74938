"""Every setting of the server: one table, in the names of WCS, with its type, range, default and meaning.

The attribute of a setting is its key with `_` for `.`; a duration is always in seconds as a float (math.inf: no
limit), whatever unit the key is written in. `config.loading` reads a file and command line into it.
"""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

import attrs
from attrs import frozen

from config.value_types import (
    Address,
    AddressPair,
    AddressPairs,
    Boolean,
    Choice,
    Duration,
    File,
    HeaderLines,
    Integer,
    Kind,
    LocalAddresses,
    OrderedChoices,
    StringList,
    Text,
)
from config.wcs_settings import FOREIGN_CODECS

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
    """How a log line is written: for people, or one JSON object a line."""

    TEXT = "text"
    JSON = "json"


class LogLevel(StrEnum):
    """The least grave log lines to write."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class TerminateAll(StrEnum):
    """Whether a terminate request without any filter may stop every stream."""

    ALLOW = "allow"
    DENY = "deny"


class MediaSender(StrEnum):
    """What encrypts and sends media: the fast sender where it works, the portable one, or the fast one and no other."""

    AUTO = "auto"
    PORTABLE = "portable"
    FAST = "fast"


class HookOrder(StrEnum):
    """Hook calls wait for each other inside a session, or all of them in one line."""

    SESSION = "session"
    GLOBAL = "global"


@frozen(kw_only=True)
class Setting:
    """What the table says of one key. `default` is text, as a file would have it; `heading` opens a group."""

    key: str
    kind: Kind[Any]
    default: str
    meaning: str
    heading: str | None = None

    @property
    def attribute(self) -> str:
        """Its name in `Settings`."""
        return self.key.replace(".", "_")

    @property
    def is_secret(self) -> bool:
        """Whether its value must never be shown."""
        return any(word in self.key for word in ("password", "secret", "token"))


def setting(key: str, kind: Kind[T], default: str, meaning: str, *, heading: str | None = None) -> T:
    """Declare a field of `Settings`."""
    described = Setting(key=key, kind=kind, default=default, meaning=meaning, heading=heading)
    return attrs.field(default=kind.read(default), repr=not described.is_secret, metadata={"setting": described})


# A table reads better than one argument a line.
# fmt: off
@frozen(kw_only=True)
class Settings:
    """The effective settings of one server. `Settings()` has every default."""

    ws_address: str | None = setting(
        "ws.address", Address(), "", "Where ws:// listens. Empty: every address.",
        heading="Signalling (WebSocket)")
    ws_port: int = setting(
        "ws.port", PORT, "8080", "TCP port of ws://. 0: any free port.")
    wss_address: str | None = setting(
        "wss.address", Address(), "", "Where wss:// listens. Empty: every address.")
    wss_port: int = setting(
        "wss.port", PORT, "8443", "TCP port of wss://. 0: any free port.")
    wss_cert: Path | None = setting(
        "wss.cert", File(), "",
        "Certificate chain (PEM) of wss:// and https://. Empty: a self-signed one, kept in the state folder.")
    wss_key: Path | None = setting(
        "wss.key", File(), "", "Private key (PEM) of wss.cert.")
    ws_allowed_origins: tuple[str, ...] = setting(
        "ws.allowed_origins", StringList("origins such as https://example.com, or *", needed=True), "*",
        "Web pages that may connect, by origin. *: any.")
    ws_max_frame_size: int = setting(
        "ws.max_frame_size", BYTES, "1048576", "Largest frame that a client may send.")
    ws_max_frame_elements: int = setting(
        "ws.max_frame_elements", Integer(1000, 10_000_000), "20000",
        "Values and keys in one frame of a client; they cost more memory and time than its length tells.")
    ws_max_frames_per_second: int = setting(
        "ws.max_frames_per_second", Integer(10, 1_000_000), "500",
        "Frames that one client may send for long, each 4 KiB counted as one more; six seconds' worth at once."
        " A faster client is read later.")
    ws_max_frames_per_second_per_address: int = setting(
        "ws.max_frames_per_second_per_address", Integer(10, 10_000_000), "2000",
        "The same for all clients of one address, or IPv6 /64 network; of each client, 20 a second are not counted.")
    ws_max_frames_per_second_in_all: int = setting(
        "ws.max_frames_per_second_in_all", Integer(10, 10_000_000), "3000",
        "The same for all clients together. 1,000 frames a second take a tenth of a core, or somewhat more.")
    keep_alive_server_interval: float = setting(
        "keep_alive.server_interval", Duration("ms", 10, DAY_MS), "5000", "Pause between pings to a client.")
    keep_alive_probes: int = setting(
        "keep_alive.probes", Integer(1, 1000), "10", "Pings without an answer after which a client is gone.")

    ip: tuple[AddressPair, ...] = setting(
        "ip", AddressPairs(), "",
        "Addresses told to browsers for media. Empty: those of ip_local, or else every address of this machine.",
        heading="Media (WebRTC)")
    ip_local: tuple[str, ...] = setting(
        "ip_local", LocalAddresses(), "",
        "Addresses of this machine that receive media: one for each of ip, in its order.")
    media_port_from: int = setting(
        "media_port_from", PORT, "31001", "The one UDP port of all media. 0: any free port.")
    codecs: tuple[str, ...] = setting(
        "codecs", CODECS, "opus,ulaw,alaw,vp8,h264,vp9,av1", "Codecs that may be published.")
    ice_timeout: float = setting(
        "ice_timeout", TIMEOUT, "15000", "Time for a browser's first valid ICE check.")
    dtls_timeout: float = setting(
        "dtls_timeout", TIMEOUT, "10000", "Time for the DTLS handshake that follows.")
    ice_keep_alive_timeout: float = setting(
        "ice_keep_alive_timeout", TIMEOUT, "16000",
        "Silence of a peer after which it is gone. Chromium gives up after 15 s of silence and never comes back.")
    rtp_activity_timeout: float = setting(
        "rtp_activity_timeout", Duration("s", 1, DAY, zero_is_forever=True), "60",
        "Time without media after which a publisher fails. RTCP counts where only video was sent. 0: no limit.")
    play_wait_timeout: float = setting(
        "play_wait_timeout", Duration("ms", 0, DAY_MS), "5000", "How long a player waits for its publisher's media.")
    stop_grace: float = setting(
        "stop_grace", Duration("ms", 0, 60_000), "2000",
        "Time for a stop request to arrive after the peer has closed its media.")
    max_publisher_bitrate: int = setting(
        "max_publisher_bitrate", Integer(1, 10_000_000, "kbit/s"), "50000", "What one publisher may send.")
    max_publisher_packet_rate: int = setting(
        "max_publisher_packet_rate", Integer(1, 1_000_000, "packets a second"), "6000",
        "Media packets that one publisher may send. 50 Mbit/s of ordinary video have 5,200.")
    max_control_rate: int = setting(
        "max_control_rate", Integer(10, 100_000, "packets a second"), "500",
        "RTCP and DTLS packets that one peer may send. A browser sends fewer than 10, on bad paths some dozens.")
    max_ssrcs_per_peer: int = setting(
        "max_ssrcs_per_peer", Integer(1, 1000), "16", "RTP sources accepted of one peer.")
    media_socket_buffer: int = setting(
        "media_socket_buffer", BYTES, "8388608", "Buffers asked of the system for each media socket.")
    media_sender: MediaSender = setting(
        "media.sender", Choice(MediaSender), "auto",
        "What sends media to players. auto: the fast sender if it passes its test at start, else the portable one.")
    media_padding: bool = setting(
        "media.padding", Boolean(), "true",
        "Whether video for 10 players or more is padded to packets of equal size (RFC 3550), which leave for less.")

    max_sessions: int = setting(
        "max_sessions", MANY, "10000", "Clients connected at a time.",
        heading="Limits")
    max_sessions_per_address: int = setting(
        "max_sessions_per_address", MANY, "2000", "Clients connected at a time from one address, or IPv6 /64 network.")
    max_client_memory: int = setting(
        "max_client_memory", BYTES, "268435456",
        "Memory for what clients have sent: frames that wait, requests of streams, data that the backend is asked"
        " about. One client may have an eighth of it, one address a quarter; 64 KiB a client are not counted.")
    ws_max_arrivals: int = setting(
        "ws.max_arrivals", MANY, "1000",
        "Connections at a time that are no sessions yet; beyond it the address with the most loses its oldest.")
    ws_max_arrivals_per_address: int = setting(
        "ws.max_arrivals_per_address", MANY, "500",
        "The same for one address, or IPv6 /64 network; those beyond it are closed.")
    ws_max_upgrades_per_address: int = setting(
        "ws.max_upgrades_per_address", MANY, "100",
        "TLS handshakes and WebSocket upgrades a second of one address; twice as many at once, then they wait.")
    overload_max_loop_lag: float = setting(
        "overload.max_loop_lag", Duration("ms", 10, 60_000, zero_is_forever=True), "300",
        "How late the server may do its work; beyond it new sessions and streams are refused. 0: no limit.")
    max_streams_per_session: int = setting(
        "max_streams_per_session", MANY, "1000", "Streams at a time of one client.")
    max_stream_event_size: int = setting(
        "max_stream_event_size", BYTES, "16384", "Largest stream event (mute, data) that a publisher may send.")
    max_stream_events: int = setting(
        "max_stream_events", MANY, "50", "Stream events a second of one client; twice as many after a quiet time.")
    max_stream_event_frames: int = setting(
        "max_stream_event_frames", MANY, "5000",
        "What the stream events of one client may become at all its viewers, in frames a second."
        " A call of the backend counts as ten.")
    max_outbox_total: int = setting(
        "max_outbox_total", BYTES, "67108864",
        "What may wait to be sent to all clients together; beyond it the client for whom most waits is dropped.")
    max_handshakes: int = setting(
        "max_handshakes", MANY, "500",
        "DTLS handshakes under way at a time: a tenth of them for one client, half for one address or IPv6 /64.")

    http_address: str | None = setting(
        "http.address", Address(), "127.0.0.1",
        "Where http:// (REST API, start page) listens. Not loopback: needs rest.allow_unauthenticated_remote.",
        heading="REST API")
    http_port: int = setting(
        "http.port", PORT, "8081", "TCP port of http://. 0: any free port.")
    https_address: str | None = setting(
        "https.address", Address(), "127.0.0.1", "Where https:// listens; as http.address.")
    https_port: int = setting(
        "https.port", PORT, "8444", "TCP port of https://. 0: any free port.")
    http_max_connections: int = setting(
        "http.max_connections", MANY, "1000", "HTTP connections at a time.")
    http_max_connections_per_address: int = setting(
        "http.max_connections_per_address", MANY, "200",
        "HTTP connections at a time from one address, or IPv6 /64 network.")
    rest_max_failed_requests: int = setting(
        "rest.max_failed_requests", Integer(1, 1_000_000, "requests/s"), "20",
        "Requests of one address that may fail each second; the answers to more are held back for a second.")
    rest_allow_unauthenticated_remote: bool = setting(
        "rest.allow_unauthenticated_remote", Boolean(), "false",
        "Allow http.address and https.address to be open to the network.")
    rest_allowed_hosts: tuple[str, ...] = setting(
        "rest.allowed_hosts", StringList("host names"), "",
        "Names that a request may call this server by, beside IP addresses, localhost and the machine's own name.")
    rest_terminate_all: TerminateAll = setting(
        "rest.terminate_all", Choice(TerminateAll), "allow", "Whether an empty terminate filter stops every stream.")
    rest_terminate_timeout: float = setting(
        "rest.terminate_timeout", TIMEOUT, "5000", "How long a terminate request waits for its streams to stop.")
    rest_max_body_size: int = setting(
        "rest.max_body_size", BYTES, "1048576", "Largest request body; a larger one is answered 413.")
    rest_body_timeout: float = setting(
        "rest.body_timeout", TIMEOUT, "10000", "Time for a request's body; a slower one is answered 408.")
    rest_access_control_allow_origin: tuple[str, ...] = setting(
        "rest_access_control_allow_origin", StringList("origins such as https://example.com, or *"), "*",
        "Web pages that may use the REST API, by origin. * is sent, but lets no page of another origin in.")
    rest_access_control_allow_headers: tuple[str, ...] = setting(
        "rest_access_control_allow_headers", StringList("header names"), "content-type,x-requested-with",
        "Request headers that those pages may send.")
    rest_access_control_allow_methods: tuple[str, ...] = setting(
        "rest_access_control_allow_methods", StringList("HTTP methods"), "POST", "Methods that those pages may use.")
    rest_access_control_headers: tuple[tuple[str, str], ...] = setting(
        "rest_access_control_headers", HeaderLines(), "", "More headers of every REST answer.")

    disable_rest_requests: bool = setting(
        "disable_rest_requests", Boolean(), "false", "Send no hooks at all, and accept every connection.",
        heading="REST hooks (calls to the backend)")
    rest_request_timeout: float = setting(
        "rest_request_timeout", Duration("s", 1, DAY, zero_is_forever=True), "15",
        "Time for one hook, its retries included.")
    rest_client_request_retry_count: int = setting(
        "rest_client_request_retry_count", Integer(0, 100), "3", "Retries of a hook that could not be sent.")
    rest_client_request_sent_retry_enabled: bool = setting(
        "rest_client_request_sent_retry_enabled", Boolean(), "true", "Whether a hook is retried at all.")
    rest_max_connections: int = setting(
        "rest_max_connections", MANY, "100", "Connections at a time to one backend host.")
    rest_hook_order: HookOrder = setting(
        "rest_hook_order", Choice(HookOrder), "session",
        "Hooks wait for each other inside a session, or all of the server's in one line.")
    rest_hook_send_hash: bool = setting(
        "rest_hook_send_hash", Boolean(), "false",
        "Sign each hook: `Authorization: WCS HMAC-MD5-of-the-body`, in place of an application's user and password.")
    rest_hook_secret_key: str | None = setting(
        "rest_hook_secret_key", Text(), "", "The key of that signature, which the backend knows too.")
    rest_ca_file: Path | None = setting(
        "rest_ca_file", File(), "", "Certificates (PEM) to trust for https backends. Empty: the system's.")
    rest_insecure_tls: bool = setting(
        "rest_insecure_tls", Boolean(), "false", "DANGEROUS: trust whoever answers as an https backend.")
    rest_max_response_size: int = setting(
        "rest_max_response_size", BYTES, "1048576", "Largest answer of a backend.")
    rest_lane_size: int = setting(
        "rest_lane_size", MANY, "4000", "Hooks that may wait in one session, such as the end of all its streams.")
    rest_lanes_total: int = setting(
        "rest_lanes_total", MANY, "100000", "Hooks that may wait in all sessions together.")
    keep_alive_streaming_sessions_enabled: bool = setting(
        "keep_alive_streaming_sessions_enabled", Boolean(), "false",
        "Ask the backend, stream by stream, whether it may go on.")
    streaming_sessions_keep_alive_interval: float = setting(
        "streaming_sessions_keep_alive_interval", Duration("ms", 100, DAY_MS), "10000", "How often it is asked.")
    streaming_sessions_keep_alive_app_keys: tuple[str, ...] = setting(
        "streaming_sessions_keep_alive_app_keys", StringList("application keys"), "",
        "Applications whose streams it is asked for.")

    log_format: LogFormat = setting(
        "log.format", Choice(LogFormat), "text", "How log lines are written.",
        heading="The process")
    log_level: LogLevel = setting(
        "log.level", Choice(LogLevel), "info", "The least grave log lines to write.")
    shutdown_timeout: float = setting(
        "shutdown_timeout", TIMEOUT, "10000", "Time to stop in order before the process ends anyway.")
# fmt: on


TABLE: Mapping[str, Setting] = {
    described.key: described for described in (entry.metadata["setting"] for entry in attrs.fields(Settings))
}
