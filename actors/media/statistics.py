"""What the media plane counts."""

from attrs import asdict, define, frozen


@frozen(kw_only=True)
class StreamMediaStatistics:
    """Figures of one published or played stream since it began, audio and video together.

    `packets` and `bytes` are RTP without encryption: received from a publisher, sent to a player; `video_bytes` are
    those of video, and to a player without what was sent again. `lost` is what never
    came (of a player: what it reports). `nacks` counts packets asked for again by the receiver, `resent` those
    sent again, `plis` key frame requests of the receiver. `dropped` are packets of a publisher that came and
    were not taken (see `Drop`), of a player those that the system's socket buffer had no room for. `round_trip` in
    seconds, `available_kbps` by the player's estimate; 0 unknown.
    """

    packets: int
    bytes: int
    bitrate_kbps: int
    lost: int
    nacks: int
    plis: int
    resent: int = 0
    dropped: int = 0
    video_bytes: int = 0
    round_trip: float = 0.0
    available_kbps: int = 0


@frozen(kw_only=True)
class MediaStatistics:
    """Figures of the whole media plane: first what is now, then counters since the start.

    `sender` is the packet sender that runs, `sender_reason` why. `forward_dropped` counts viewers' packets that the
    kernel had no room for, `forward_failed` those that could not be encrypted or sent. `kernel_drops` are datagrams
    that came and were lost before they were read, because the sockets' receive buffers were full. Of media by TCP,
    `tcp_waiting` are bytes that wait to be written, `tcp_dropped` packets that were too old to be, `tcp_restarts` how
    often viewers went on from a key frame after that, `tcp_refused` connections that were closed as unwanted.
    `packets_per_second` come in now, and are taken at least `wake_up_interval_us` apart; 0: each at once. `rests` is
    how often the plane slept to let packets collect.
    """

    sender: str
    sender_reason: str
    publishers: int
    players: int
    handshakes: int
    addresses: int
    tcp_connections: int
    tcp_waiting: int
    tcp_refused: int
    tcp_restarts: int
    tcp_dropped: int
    packets_per_second: int
    wake_up_interval_us: int
    wake_ups: int
    rests: int
    datagrams: int
    stun_checks: int
    stun_ignored: int
    unknown_address: int
    withheld: int
    moved: int
    unexpected: int
    srtp_errors: int
    receive_errors: int
    malformed: int
    too_large: int
    over_bitrate: int
    over_packet_rate: int
    over_control_rate: int
    stale: int
    skipped: int
    forwarded: int
    replayed: int
    forward_dropped: int
    forward_failed: int
    resent: int
    send_errors: int
    kernel_drops: int
    queue_drops: int
    failed: int
    crashed: int


@define(kw_only=True)
class Counters:
    """The running counters behind `MediaStatistics`, of the same names.

    `wake_ups`: how often the media plane woke for packets or timers.
    `stun_ignored`: STUN that is no valid check. `unknown_address`: anything else from an address that no valid check
    came from. `withheld` are datagrams that were not sent because the peer had not proved to be at their address;
    `moved` counts how often a peer's media went on by another path. `unexpected`: packets of a known peer that fit
    nowhere (unknown SSRC, payload type or first byte, media before keys). `malformed` to `skipped` are explained by
    `Drop`. `forwarded` counts each viewer's copy, `replayed` packets that viewers which came later were sent from the
    last key frame on. `failed` counts streams whose media failed, `crashed` those among them that failed by an error of
    ours.
    """

    wake_ups: int = 0
    datagrams: int = 0
    stun_checks: int = 0
    stun_ignored: int = 0
    unknown_address: int = 0
    withheld: int = 0
    moved: int = 0
    unexpected: int = 0
    srtp_errors: int = 0
    receive_errors: int = 0
    malformed: int = 0
    too_large: int = 0
    over_bitrate: int = 0
    over_packet_rate: int = 0
    over_control_rate: int = 0
    stale: int = 0
    skipped: int = 0
    forwarded: int = 0
    replayed: int = 0
    resent: int = 0
    send_errors: int = 0
    failed: int = 0
    crashed: int = 0

    def snapshot(self) -> dict[str, int]:
        return asdict(self)
