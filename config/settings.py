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

from config.unsupported_wcs_settings import FOREIGN_CODECS
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
    Proxies,
    StringList,
    Text,
)
from protocol.access.client_address import TrustedProxies

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

    @property
    def attribute(self) -> str:
        """Its name in `Settings`."""
        return self.key.replace(".", "_")

    @property
    def is_secret(self) -> bool:
        """Whether its value must never be printed."""
        return any(word in self.key for word in ("password", "secret", "token"))


def setting(key: str, kind: Kind[T], default: str, meaning: str, *, heading: str | None = None) -> T:
    """Declare a field of `Settings`."""
    described = Setting(key=key, kind=kind, default=default, meaning=meaning, heading=heading)
    return attrs.field(default=kind.read(default), repr=not described.is_secret, metadata={"setting": described})


# A table reads better than one argument per line.
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
    ws_proxy_protocol: bool = setting(
        "ws.proxy_protocol", Boolean(), "false",
        "Require the PROXY protocol, version 2, at ws.port, from trusted_proxies only.")
    wss_proxy_protocol: bool = setting(
        "wss.proxy_protocol", Boolean(), "false", "The same at wss.port, in front of TLS.")
    wss_cert: Path | None = setting(
        "wss.cert", File(), "",
        "Certificate chain (PEM) of wss:// and https://. Empty: a self-signed one, kept in the state folder.")
    wss_key: Path | None = setting(
        "wss.key", File(), "", "Private key (PEM) of wss.cert.")
    ws_allowed_origins: tuple[str, ...] = setting(
        "ws.allowed_origins", StringList("origins such as https://example.com, or *", needed=True), "*",
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
        " protocol are believed. With one on this machine, loopback clients are not taken for programs on it.")
    keep_alive_server_interval: float = setting(
        "keep_alive.server_interval", Duration("ms", 10, DAY_MS), "5000", "Interval between pings to a client.")
    keep_alive_probes: int = setting(
        "keep_alive.probes", Integer(1, 1000), "10", "Unanswered pings after which a client is considered gone.")

    ip: tuple[AddressPair, ...] = setting(
        "ip", AddressPairs(), "",
        "Addresses given to browsers for media. Empty: those in ip_local, or else every address of this machine.",
        heading="Media (WebRTC)")
    ip_local: tuple[str, ...] = setting(
        "ip_local", LocalAddresses(), "",
        "Addresses of this machine that receive media: one for each address in ip, in the same order.")
    media_port_from: int = setting(
        "media_port_from", PORT, "31001", "UDP port of all media. 0: any free port.")
    codecs: tuple[str, ...] = setting(
        "codecs", CODECS, "opus,ulaw,alaw,vp8,h264,vp9,av1", "Codecs that may be published, in order of preference.")
    ice_timeout: float = setting(
        "ice_timeout", TIMEOUT, "15000", "How long to wait for a browser's first valid ICE check.")
    dtls_timeout: float = setting(
        "dtls_timeout", TIMEOUT, "10000", "How long the DTLS handshake that follows may take.")
    ice_keep_alive_timeout: float = setting(
        "ice_keep_alive_timeout", TIMEOUT, "16000",
        "Silence after which a peer is considered gone. Chromium gives up after 15 s and never comes back.")
    rtp_activity_timeout: float = setting(
        "rtp_activity_timeout", Duration("s", 1, DAY, zero_is_forever=True), "60",
        "Time without media after which a publication fails. For video-only publishers RTCP counts too. 0: no limit.")
    play_wait_timeout: float = setting(
        "play_wait_timeout", Duration("ms", 0, DAY_MS), "5000", "How long a player waits for its publisher's media.")
    stop_grace: float = setting(
        "stop_grace", Duration("ms", 0, 60_000), "2000",
        "How long to wait for a stop request after the browser has closed its media.")
    max_publisher_bitrate: int = setting(
        "max_publisher_bitrate", Integer(1, 10_000_000, "kbit/s"), "50000", "Bitrate of one publisher.")
    max_publisher_packet_rate: int = setting(
        "max_publisher_packet_rate", Integer(1, 1_000_000, "packets per second"), "6000",
        "Media packets from one publisher. Ordinary video at 50 Mbit/s has 5,200.")
    max_control_rate: int = setting(
        "max_control_rate", Integer(10, 100_000, "packets per second"), "500",
        "RTCP and DTLS packets from one peer. A browser sends fewer than 10, or a few dozen over a bad network.")
    max_ssrcs_per_peer: int = setting(
        "max_ssrcs_per_peer", Integer(1, 1000), "16", "RTP sources (SSRCs) accepted from one peer.")
    media_socket_buffer: int = setting(
        "media_socket_buffer", BYTES, "8388608", "Send and receive buffer to request for each media socket.")
    media_sender: MediaSender = setting(
        "media.sender", Choice(MediaSender), "auto",
        "Which sender serves players. auto: the fast one if it passes its self-test at start, else the portable one.")
    media_padding: bool = setting(
        "media.padding", Boolean(), "true",
        "Pad video for 10 or more players to packets of equal size (RFC 3550), which are cheaper to send.")

    max_sessions: int = setting(
        "max_sessions", MANY, "10000", "Clients connected at once.",
        heading="Limits")
    max_sessions_per_address: int = setting(
        "max_sessions_per_address", MANY, "2000", "Clients connected at once from one address or IPv6 /64.")
    max_client_memory: int = setting(
        "max_client_memory", BYTES, "268435456",
        "Memory for what clients have sent: waiting frames, stream requests, data waiting for the backend. One client"
        " may use an eighth of it, one address a quarter; the first 64 KiB per client are not counted.")
    ws_max_arrivals: int = setting(
        "ws.max_arrivals", MANY, "1000",
        "Connections that are not sessions yet. Beyond it, the address with the most loses its oldest one.")
    ws_max_arrivals_per_address: int = setting(
        "ws.max_arrivals_per_address", MANY, "500",
        "The same for one address or IPv6 /64. Connections beyond it are closed.")
    ws_max_upgrades_per_address: int = setting(
        "ws.max_upgrades_per_address", MANY, "100",
        "TLS handshakes and WebSocket upgrades per second from one address. Bursts of twice as many are allowed; more"
        " have to wait.")
    overload_max_loop_lag: float = setting(
        "overload.max_loop_lag", Duration("ms", 10, 60_000, zero_is_forever=True), "300",
        "How far the event loop may lag behind before new sessions and streams are refused. 0: no limit.")
    max_streams_per_session: int = setting(
        "max_streams_per_session", MANY, "1000", "Concurrent streams of one client.")
    max_stream_event_size: int = setting(
        "max_stream_event_size", BYTES, "16384",
        "Largest stream event (mute, data) a publisher may send, and largest payload of data/broadcast and"
        " stream/event/send.")
    max_stream_events: int = setting(
        "max_stream_events", MANY, "50",
        "Stream events per second from one client. Bursts of twice as many are allowed.")
    max_stream_event_frames: int = setting(
        "max_stream_event_frames", MANY, "5000",
        "Frames per second that one client's stream events may cause for all its viewers together."
        " A call to the backend counts as ten.")
    data_max_size: int = setting(
        "data.max_size", BYTES, "262144",
        "Largest payload of data/send. At least 64 KiB less than rest.max_body_size, if it is set.")
    rooms_max_members: int = setting("rooms.max_members", Integer(1, 1000), "100", "Members of one room.")
    rooms_max_rooms: int = setting(
        "rooms.max_rooms", MANY, "10000", "Rooms at once. Clients of one address or IPv6 /64 may create a quarter.")
    rooms_max_message_size: int = setting(
        "rooms.max_message_size", BYTES, "16384", "Largest text of a message that a member of a room may send.")
    max_outbox_total: int = setting(
        "max_outbox_total", BYTES, "67108864",
        "Data queued for all clients together. Beyond it, the client with the longest queue is dropped.")
    max_handshakes: int = setting(
        "max_handshakes", MANY, "500",
        "Concurrent DTLS handshakes; at most a tenth of them for one client, half for one address or IPv6 /64.")

    http_address: str | None = setting(
        "http.address", Address(), "127.0.0.1",
        "Where http:// (REST API, start page) listens. Not loopback: needs a user or token (wcs add user).",
        heading="REST API")
    http_port: int = setting(
        "http.port", PORT, "8081", "TCP port of http://. 0: any free port.")
    https_address: str | None = setting(
        "https.address", Address(), "127.0.0.1", "Where https:// listens; same rules as http.address.")
    https_port: int = setting(
        "https.port", PORT, "8444", "TCP port of https://. 0: any free port.")
    http_proxy_protocol: bool = setting(
        "http.proxy_protocol", Boolean(), "false",
        "Require the PROXY protocol, version 2, at http.port, from trusted_proxies only.")
    https_proxy_protocol: bool = setting(
        "https.proxy_protocol", Boolean(), "false", "The same at https.port, in front of TLS.")
    https_client_ca: Path | None = setting(
        "https.client_ca", File(), "",
        "Certificates (PEM) of authorities: a client whose certificate they signed is the user named by its CN.")
    http_max_connections: int = setting(
        "http.max_connections", MANY, "1000", "Concurrent HTTP connections.")
    http_max_connections_per_address: int = setting(
        "http.max_connections_per_address", MANY, "200",
        "Concurrent HTTP connections from one address or IPv6 /64.")
    rest_max_failed_requests: int = setting(
        "rest.max_failed_requests", Integer(1, 1_000_000, "requests/s"), "20",
        "Failed requests per second from one address. Responses to further ones are delayed by a second.")
    rest_auth: RestAuth = setting(
        "rest.auth", Choice(RestAuth), "auto",
        "Whether callers must log in. auto: once there is a user, a token or https.client_ca. Read at the start.")
    disable_rest_auth: bool = setting(
        "disable_rest_auth", Boolean(), "true",
        "The setting of WCS. false: as rest.auth=required. true: rest.auth decides.")
    rest_allow_unauthenticated_remote: bool = setting(
        "rest.allow_unauthenticated_remote", Boolean(), "false",
        "Allow http.address and https.address to accept connections from the network although nobody must log in.")
    rest_allowed_hosts: tuple[str, ...] = setting(
        "rest.allowed_hosts", StringList("host names"), "",
        "Host names accepted in requests, besides IP addresses, localhost and the machine's own name.")
    rest_terminate_all: TerminateAll = setting(
        "rest.terminate_all", Choice(TerminateAll), "allow", "Whether an empty terminate filter stops every stream.")
    rest_terminate_timeout: float = setting(
        "rest.terminate_timeout", TIMEOUT, "5000", "How long a terminate request waits for its streams to stop.")
    rest_max_body_size: int = setting(
        "rest.max_body_size", BYTES, "1048576", "Largest request body; a larger one gets 413.")
    rest_body_timeout: float = setting(
        "rest.body_timeout", TIMEOUT, "10000", "How long a request's body may take to arrive; a slower one gets 408.")
    rest_access_control_allow_origin: tuple[str, ...] = setting(
        "rest_access_control_allow_origin", StringList("origins such as https://example.com, or *"), "*",
        "Origins of the web pages that may use the REST API. * is sent as a header but admits no other origin.")
    rest_access_control_allow_headers: tuple[str, ...] = setting(
        "rest_access_control_allow_headers", StringList("header names"), "content-type,x-requested-with",
        "Request headers those pages may send.")
    rest_access_control_allow_methods: tuple[str, ...] = setting(
        "rest_access_control_allow_methods", StringList("HTTP methods"), "POST", "HTTP methods those pages may use.")
    rest_access_control_headers: tuple[tuple[str, str], ...] = setting(
        "rest_access_control_headers", HeaderLines(), "", "Additional headers for every REST response.")

    disable_rest_requests: bool = setting(
        "disable_rest_requests", Boolean(), "false", "Send no hooks at all and accept every connection.",
        heading="REST hooks (calls to the backend)")
    rest_request_timeout: float = setting(
        "rest_request_timeout", Duration("s", 1, DAY, zero_is_forever=True), "15",
        "How long one hook may take, retries included.")
    rest_client_request_retry_count: int = setting(
        "rest_client_request_retry_count", Integer(0, 100), "3", "Retries of a hook that could not be sent.")
    rest_client_request_sent_retry_enabled: bool = setting(
        "rest_client_request_sent_retry_enabled", Boolean(), "true", "Whether hooks are retried at all.")
    rest_max_connections: int = setting(
        "rest_max_connections", MANY, "100", "Concurrent connections to one backend host.")
    rest_hook_order: HookOrder = setting(
        "rest_hook_order", Choice(HookOrder), "session",
        "Whether hooks are kept in order per session, or in a single queue for the whole server.")
    rest_hook_send_hash: bool = setting(
        "rest_hook_send_hash", Boolean(), "false",
        "Sign each hook: `Authorization: WCS HMAC-MD5-of-the-body`, instead of the application's user and password.")
    rest_hook_secret_key: str | None = setting(
        "rest_hook_secret_key", Text(), "", "The key for that signature, shared with the backend.")
    rest_ca_file: Path | None = setting(
        "rest_ca_file", File(), "", "Certificates (PEM) to trust for https backends. Empty: the system's.")
    rest_insecure_tls: bool = setting(
        "rest_insecure_tls", Boolean(), "false", "DANGEROUS: accept any certificate from https backends.")
    rest_max_response_size: int = setting(
        "rest_max_response_size", BYTES, "1048576", "Largest response from a backend.")
    rest_lane_size: int = setting(
        "rest_lane_size", MANY, "4000", "Hooks queued per session, such as the ends of all its streams.")
    rest_lanes_total: int = setting(
        "rest_lanes_total", MANY, "100000", "Hooks queued for all sessions together.")
    keep_alive_streaming_sessions_enabled: bool = setting(
        "keep_alive_streaming_sessions_enabled", Boolean(), "false",
        "Ask the backend regularly, for each stream, whether it may continue.")
    streaming_sessions_keep_alive_interval: float = setting(
        "streaming_sessions_keep_alive_interval", Duration("ms", 100, DAY_MS), "10000",
        "Interval between those questions.")
    streaming_sessions_keep_alive_app_keys: tuple[str, ...] = setting(
        "streaming_sessions_keep_alive_app_keys", StringList("application keys"), "",
        "Applications whose streams are asked about. Empty: none.")

    log_format: LogFormat = setting(
        "log.format", Choice(LogFormat), "text", "How log lines are written.",
        heading="The process")
    log_level: LogLevel = setting(
        "log.level", Choice(LogLevel), "info", "The minimum level of the log lines to write.")
    audit_file: Path | None = setting(
        "audit.file", File(), "", "Where it is written who did what. Empty: audit.jsonl in the state folder.")
    shutdown_timeout: float = setting(
        "shutdown_timeout", TIMEOUT, "10000", "How long an orderly shutdown may take before the process ends anyway.")
# fmt: on


TABLE: Mapping[str, Setting] = {
    described.key: described for described in (entry.metadata["setting"] for entry in attrs.fields(Settings))
}
