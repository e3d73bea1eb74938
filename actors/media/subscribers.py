"""The SRTP viewers of a published track: the sink that fans its packets out.

Viewers whose copies are the same bytes before encryption (`Variant`) share a fan-out. A viewer begins with a key frame:
the last one, if it is recent enough to be replayed, or the next.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial

from attrs import define, field

from actors.media.catch_up import CatchUp
from actors.media.context import MediaContext
from actors.media.io.outlet import Outlet
from actors.media.sending.sender import FanOut, Recipient
from actors.media.tracks.packet_sink import PacketSink
from actors.media.tracks.published_track import PublishedTrack
from protocol.sfu.incoming_track import MediaPacket, MediaRun
from protocol.sfu.keyframe_requests import ViewerRequests
from protocol.sfu.outgoing_track import OutgoingTrack, Variant
from protocol.sfu.router import TrackRouter
from protocol.webrtc.rtcp import SenderReport, build_sdes, forward_sender_report
from protocol.webrtc.rtp import HEADER_SIZE, size_without_padding
from protocol.webrtc.stun import Address

LEAVE_AT_ONCE = 50  # viewers when the track ends; of more, each leaves when its playback is stopped, which is soon
PADDED_FOR = 10  # viewers of a picture; for fewer, packets of one size save too little to change their bytes for it


@define(eq=False, kw_only=True)
class Subscriber:
    """One viewer of one track. `send_rtp` and `send_rtcp` encrypt and send to it alone."""

    outgoing: OutgoingTrack
    recipient: Recipient
    send_rtp: Callable[[bytes], None]
    send_rtcp: Callable[[bytes], None]
    requests: ViewerRequests = field(factory=ViewerRequests)
    fan_out: FanOut | None = None
    before: tuple[int, int] = (0, 0)
    """Packets and bytes that the fan-out had sent when the viewer joined it, less those that others had sent it."""
    reported: tuple[int, float] = (0, 0.0)
    """The sender report that it got last, and when."""
    catch_up: CatchUp | None = None
    """Its way through the past, while it is on it; it is in no fan-out then."""
    waits_since: float = math.inf
    """Since when it waits for a key frame, in seconds of the plane's clock; math.inf: it does not."""

    @property
    def sent(self) -> tuple[int, int]:
        """Packets and bytes sent to it, without resends and padding."""
        packets, octets = self._carried
        missed = self.recipient.dropped + self.recipient.failed
        return packets - missed, octets - (octets * missed // packets if packets else 0)

    @property
    def _carried(self) -> tuple[int, int]:
        """Packets and bytes of the fan-outs that it has been in, while it was."""
        now = (0, 0) if self.fan_out is None else (self.fan_out.packets, self.fan_out.octets)
        return now[0] - self.before[0], now[1] - self.before[1]

    def enter(self, fan_out: FanOut) -> None:
        """It is in a fan-out from here on."""
        packets, octets = self._carried
        self.fan_out = fan_out
        self.before = fan_out.packets - packets, fan_out.octets - octets
        fan_out.add(self.recipient)

    def leave(self) -> FanOut | None:
        """It is in none any more; the one that it was in."""
        left, (packets, octets) = self.fan_out, self._carried
        if left is not None:
            left.remove(self.recipient)
            self.fan_out, self.before = None, (-packets, -octets)
        return left


class Subscribers(PacketSink):
    """All viewers of one track. `cname` is the publication's RTCP name."""

    def __init__(self, track: PublishedTrack, context: MediaContext, cname: str) -> None:
        self.track = track
        self._incoming = track.incoming
        self._context = context
        self._cname = cname
        self._router = TrackRouter(gated=track.is_video)
        self._may_pad = context.settings.media_padding and track.is_video and context.sender.gathers
        self._fan_outs: dict[Variant, FanOut] = {}
        self._subscribers: dict[OutgoingTrack, Subscriber] = {}
        track.attach(self)

    # -- for playbacks -------------------------------------------------------------------------------------------

    def join(self, subscriber: Subscriber, now: float) -> None:
        """Add a viewer that is connected."""
        self._subscribers[subscriber.outgoing] = subscriber
        self._choose_padding()
        subscriber.waits_since = now if self.track.is_video else math.inf
        if self.track.is_video and self._incoming.replay(now) is not None:
            self._catch_up(subscriber)
        else:
            self._wait_for_next(subscriber, now)

    def leave(self, subscriber: Subscriber) -> None:
        """Send no more packets to this viewer. One that has not joined is ignored."""
        if self._subscribers.pop(subscriber.outgoing, None) is None:
            return
        self._choose_padding()
        self._stop(subscriber)

    def readdress(self, subscriber: Subscriber, outlet: Outlet, address: Address, *, by_tcp: bool = False) -> None:
        """The viewer is reached by another socket or address from here on."""
        recipient, was_started = subscriber.recipient, subscriber.fan_out is not None
        if subscriber.fan_out is not None and by_tcp == subscriber.outgoing.by_tcp:
            subscriber.fan_out.readdress(recipient, outlet, address)
            return
        if was_started:
            self._stop(subscriber)
        recipient.socket, recipient.address, subscriber.outgoing.by_tcp = outlet, address, by_tcp
        if was_started:
            self._begin(subscriber, self._incoming.highest + 1, self._context.clock())

    def restart(self, subscriber: Subscriber, now: float) -> None:
        """The viewer has missed packets for good: it goes on as one that has just joined, but with no past."""
        if subscriber.outgoing in self._subscribers:
            self._stop(subscriber)
            self._router.join(subscriber.outgoing)
            if self.track.is_video:
                subscriber.waits_since = now
                self.request_key_frame(subscriber, now)

    def request_key_frame(self, subscriber: Subscriber, now: float) -> None:
        """A viewer cannot go on without one (PLI, FIR)."""
        self.track.request_key_frame(now, not_before=subscriber.requests.not_before(now))

    def resends(self, subscriber: Subscriber, wanted: Sequence[int], now: float) -> list[bytes]:
        """The packets to send again for a viewer's NACK. What the server lacks itself is passed over."""
        found, incoming, outgoing = [], self._incoming, subscriber.outgoing
        for number in wanted:
            sequence = outgoing.source_sequence(number, incoming.highest)
            packet = None if sequence is None else incoming.ring.get(sequence)
            if sequence is None or packet is None:
                continue
            if outgoing.budget.allow(sequence, len(packet), self.track.rate.bytes_per_second, now):
                found.append(outgoing.resend(packet))
        return found

    # -- for the track -------------------------------------------------------------------------------------------

    def take(self, packet: MediaPacket, now: float) -> None:
        """Queue a packet for all viewers."""
        context, highest = self._context, self._incoming.highest
        self._admit(packet, highest, now)
        copies = 0
        for variant, data in self._router.copies(packet):
            fan_out = self._fan_outs[variant]
            fan_out.queue((data,), packet.sequence)
            copies += len(fan_out)
        context.counters.forwarded += copies
        if copies and self.track.is_video and packet.sequence == highest:
            context.in_picture = not packet.ends_picture

    def take_run(self, run: MediaRun) -> None:
        """As `take` for each of the packets, none of which begins a key frame; they are the newest."""
        if self._router.starts_anywhere:
            first, now = next(run.singly())
            self._admit(first, run.sequence, now)
        context, copies = self._context, 0
        for variant, fan_out in self._fan_outs.items():
            fan_out.queue(variant.render_all(run.packets), run.sequence)
            copies += len(fan_out)
        context.counters.forwarded += copies * len(run.packets)
        if copies and self.track.is_video:
            context.in_picture = not run.ends_picture

    def take_report(self, report: SenderReport, now: float) -> None:
        for subscriber in self._subscribers.values():
            if subscriber.outgoing.start >= 0:
                self._send_report(subscriber, report, now)

    def end(self) -> None:
        if len(self._subscribers) <= LEAVE_AT_ONCE:
            for subscriber in list(self._subscribers.values()):
                self.leave(subscriber)
        else:
            self._context.sender.flush()  # what waits for the rest of a picture is not to leave after the end

    # -- inside --------------------------------------------------------------------------------------------------

    def _choose_padding(self) -> None:
        self._incoming.pads = self._may_pad and len(self._subscribers) >= PADDED_FOR

    def _admit(self, packet: MediaPacket, highest: int, now: float) -> None:
        """Who waits for such a packet begins with it."""
        for outgoing in self._router.admit(packet, highest):
            self._start(self._subscribers[outgoing], packet.sequence, now)

    def _begin(self, subscriber: Subscriber, sequence: int, now: float) -> None:
        """The viewer gets this packet and all that follow."""
        self._router.join_at(subscriber.outgoing, sequence)
        self._start(subscriber, sequence, now)

    def _wait_for_next(self, subscriber: Subscriber, now: float) -> None:
        """The viewer begins with the next key frame; with sound, at once."""
        self._router.join(subscriber.outgoing)
        if self.track.is_video:
            self.track.request_key_frame(now)

    def _catch_up(self, subscriber: Subscriber) -> None:
        """The viewer gets the last key frame and all that follow, those of the past in slices, when it is its turn."""
        begin, send = partial(self._begin_past, subscriber), partial(self._send_past, subscriber)
        arrive = partial(self._arrive, subscriber)
        subscriber.catch_up = CatchUp(begin, lambda: self._incoming.highest, send, arrive)
        self._context.catch_ups.add(subscriber.catch_up)

    def _begin_past(self, subscriber: Subscriber) -> int | None:
        now = self._context.clock()
        replay = self._incoming.replay(now)
        if replay is None:  # the key frame is too old by now
            subscriber.catch_up = None
            self._wait_for_next(subscriber, now)
            return None
        subscriber.outgoing.begin(replay.start)
        self._note_begin(subscriber, now)
        return replay.start

    def _send_past(self, subscriber: Subscriber, sequence: int) -> None:
        packet = self._incoming.ring.get(sequence)
        if packet is not None:
            sent, octets = subscriber.before
            subscriber.before = sent - 1, octets - size_without_padding(packet)
            self._context.counters.replayed += 1
            subscriber.send_rtp(subscriber.outgoing.variant.render(packet))

    def _arrive(self, subscriber: Subscriber) -> None:
        """The viewer has the newest packet; late ones of the past are for it, too."""
        subscriber.catch_up = None
        start = subscriber.outgoing.start
        self._router.join_at(subscriber.outgoing, start)
        self._enter(subscriber, start)

    def _stop(self, subscriber: Subscriber) -> None:
        """The viewer gets nothing more; it stays among the subscribers."""
        if subscriber.catch_up is not None:
            self._context.catch_ups.discard(subscriber.catch_up)
            subscriber.catch_up, subscriber.outgoing.start = None, -1
        variant = subscriber.outgoing.variant
        self._router.leave(subscriber.outgoing)
        left = subscriber.leave()
        if left is not None and not len(left):
            self._fan_outs.pop(variant, None)

    def _start(self, subscriber: Subscriber, sequence: int, now: float) -> None:
        self._enter(subscriber, sequence)
        self._note_begin(subscriber, now)

    def _enter(self, subscriber: Subscriber, sequence: int) -> None:
        """From here on the viewer is in the fan-out of its variant; its first packet has this number."""
        variant = subscriber.outgoing.variant
        fan_out = self._fan_outs.get(variant)
        if fan_out is None:
            sender = self._context.tcp_sender if variant.by_tcp else self._context.sender
            fan_out = self._fan_outs[variant] = sender.open(for_node=variant.for_node)
        subscriber.recipient.start = sequence
        subscriber.enter(fan_out)

    def _note_begin(self, subscriber: Subscriber, now: float) -> None:
        if subscriber.waits_since < math.inf:
            self._context.quality.key_frame_waits.observe(now - subscriber.waits_since)
            subscriber.waits_since = math.inf
        if self.track.last_report is not None:
            self._send_report(subscriber, self.track.last_report, now)

    def _send_report(self, subscriber: Subscriber, report: SenderReport, now: float) -> None:
        subscriber.reported = report.lsr, now
        packets, octets = subscriber.sent
        ssrc = self.track.source.ssrc
        sender_report = forward_sender_report(
            report, ssrc=ssrc, packet_count=packets, octet_count=octets - packets * HEADER_SIZE
        )
        subscriber.send_rtcp(sender_report + build_sdes(ssrc, self._cname))
