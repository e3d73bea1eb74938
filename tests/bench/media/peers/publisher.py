"""The publishers, in a process of their own so that nothing delays their packets.

publish            connect and send; answers when the server has the keys of all
dump    path       as `finish`, but go on
finish  path       stop; the send time of every packet (CLOCK_MONOTONIC, ns) goes to `path`, publisher after publisher
"""

import sys
import time
from array import array

import trio

from protocol.webrtc.dtls import DtlsContext
from protocol.webrtc.rtcp import (
    FullIntraRequest,
    PictureLoss,
    RtcpError,
    SenderReport,
    build_sdes,
    build_sender_report,
    parse_compound,
)
from tests.bench.media.peers import clip
from tests.bench.media.peers.control import Task, reply, requests, write
from tests.bench.media.peers.descriptions import TWCC_ID, VIDEO_SSRC, VIDEO_TYPE, publish_offer
from tests.bench.media.peers.peer import Peer
from tests.bench.media.peers.pump import Pump
from tests.bench.media.peers.signalling import CLIENTS
from tests.support.media.rtp_packets import build_header

CONNECT_TIMEOUT = 15.0
_NTP_EPOCH = 2_208_988_800  # seconds from 1900 to 1970


class Publisher(Peer):
    """Sends the clip for as long as it is connected, with a key frame whenever one is asked for."""

    def __init__(self, host: str, context: DtlsContext, *, gap: float) -> None:
        super().__init__(host, context)
        self._gap = gap
        self.sent_at = array("q")
        self.key_frames = 0
        self._wanted = True
        self._key = False

    def on_rtcp(self, plain: bytes) -> None:
        try:
            packets = parse_compound(plain)
        except RtcpError:
            return
        self._wanted |= any(isinstance(packet, PictureLoss | FullIntraRequest) for packet in packets)

    async def run(self, delay: float = 0.0) -> None:
        """Send from `delay` seconds on until cancelled; a packet that is late does not delay the next."""
        started = trio.current_time() + delay
        while True:
            first = len(self.sent_at)
            begins_at = started + first / clip.PACKETS_PER_SECOND
            await trio.sleep_until(begins_at)
            # All are made before the first is sent, so that nothing but sending lies between them.
            packets = [self._packet(index) for index in range(first, first + clip.PACKETS_PER_FRAME)]
            for place, packet in enumerate(packets):
                if self._gap:
                    await trio.sleep_until(begins_at + place * self._gap)
                self.sent_at.append(time.monotonic_ns())
                self.send(packet)
            if first % clip.PACKETS_PER_SECOND == 0:
                self._send_report()

    def _packet(self, index: int) -> bytes:
        assert self.transmitter is not None
        if clip.begins_frame(index):
            self._key, self._wanted = self._wanted, False
            self.key_frames += self._key
        header = build_header(
            payload_type=VIDEO_TYPE,
            marker=clip.ends_frame(index),
            sequence=index & 0xFFFF,
            timestamp=clip.rtp_timestamp(index),
            ssrc=VIDEO_SSRC,
            extensions=[(TWCC_ID, (index & 0xFFFF).to_bytes(2, "big"))],
        )
        return self.transmitter.protect(header + clip.payload(index, key=self._key))

    def _send_report(self) -> None:
        count = len(self.sent_at)
        report = SenderReport(
            ssrc=VIDEO_SSRC,
            ntp_timestamp=int((time.time() + _NTP_EPOCH) * (1 << 32)),
            rtp_timestamp=clip.rtp_timestamp(count),
            packet_count=count,
            octet_count=count * clip.PAYLOAD_SIZE,
        )
        self.send_rtcp(build_sender_report(report) + build_sdes(VIDEO_SSRC, "bench"))


async def run(task: Task) -> None:
    """Serve the bench's requests."""
    context, pump = DtlsContext.create(), Pump()
    publishers = [Publisher(task.host, context, gap=task.gap) for _ in range(task.publishers)]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pump.run)
        async for request in requests():
            if request["do"] == "publish":
                for number, publisher in enumerate(publishers):
                    with trio.fail_after(CONNECT_TIMEOUT):
                        await _publish(task, number, publisher, pump)
                for number, publisher in enumerate(publishers):  # their pictures are spread over time
                    nursery.start_soon(publisher.run, number / len(publishers) / clip.FRAMES_PER_SECOND)
                reply()
                continue
            write(sum((publisher.sent_at for publisher in publishers), array("q")), request["path"])
            reply(packets=[len(publisher.sent_at) for publisher in publishers])
            if request["do"] == "finish":
                break
        nursery.cancel_scope.cancel()


async def _publish(task: Task, number: int, publisher: Publisher, pump: Pump) -> None:
    client = CLIENTS[task.server](task.url, task.stream_of(number))
    pump.watch(client.socket.tcp.fileno(), client.socket)
    pump.watch(publisher.udp.fileno(), publisher)
    await client.open()
    publisher.accept(await client.publish(publish_offer(publisher.local)))
    publisher.start()
    await publisher.connected.wait()


if __name__ == "__main__":
    trio.run(run, Task.from_json(sys.argv[1]))
