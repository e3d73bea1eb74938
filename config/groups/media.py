"""Addresses, codecs and times of media."""

from attrs import frozen

from config.setting import BYTES, CODECS, DAY, DAY_MS, MANY, PORT, TIMEOUT, MediaSender, setting
from config.values.addresses import AddressPair, AddressPairs, LocalAddresses
from config.values.kinds import Boolean, Choice, Duration, Integer, OptionalInteger


# A table reads better than one argument per line.
# fmt: off
@frozen(kw_only=True, slots=False)
class MediaSettings:
    """Addresses, codecs and times of media."""

    ip: tuple[AddressPair, ...] = setting(
        "ip", AddressPairs(), "",
        "Addresses given to browsers for media. Empty: those in ip_local, or else every address of this machine.",
        heading="Media (WebRTC)",
        live=False)
    ip_local: tuple[str, ...] = setting(
        "ip_local", LocalAddresses(), "",
        "Addresses of this machine that receive media: one for each address in ip, in the same order.",
        live=False)
    media_port_from: int = setting(
        "media_port_from", PORT, "31001", "UDP port of all media. 0: any free port.",
        live=False)
    media_tcp: bool = setting(
        "media_tcp", Boolean(), "true",
        "Take media by TCP, too (ICE-TCP), from pages that ask for transport TCP. false: they get UDP.",
        live=False)
    media_tcp_port: int | None = setting(
        "media_tcp_port", OptionalInteger(PORT), "",
        "TCP port of all media by TCP, at the addresses of UDP. Empty: the number of the UDP port. 0: any free port.",
        live=False)
    ice_tcp_transport: bool = setting(
        "ice_tcp_transport", Boolean(), "false",
        "Tell every client of the TCP port, beside UDP. false: only those that ask for TCP, which get nothing else.")
    media_tcp_max_connections: int = setting(
        "media_tcp_max_connections", MANY, "4000", "Concurrent TCP connections for media.")
    media_tcp_max_connections_per_address: int = setting(
        "media_tcp_max_connections_per_address", MANY, "500", "The same from one address or IPv6 /64.")
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
        "media_socket_buffer", BYTES, "8388608", "Send and receive buffer to request for each media socket.",
        live=False)
    media_sender: MediaSender = setting(
        "media.sender", Choice(MediaSender), "auto",
        "Which sender serves players. auto: the fast one if it passes its self-test at start, else the portable one.",
        live=False)
    media_padding: bool = setting(
        "media.padding", Boolean(), "true",
        "Pad video for 10 or more players to packets of equal size (RFC 3550), which are cheaper to send.")
# fmt: on
