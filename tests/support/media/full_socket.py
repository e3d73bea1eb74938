"""Run as a program in a network of its own: what senders do when the socket's buffer is full."""

import socket

from actors.media.sending.fast_sender import FastSender
from actors.media.sending.sender import PacketSender, PortableSender, Recipient
from protocol.webrtc.srtp import SrtpProfile, SrtpTransmitter
from tests.support.media.fan_out_rig import keys_of, rtp_packet

VIEWERS = 4


def report(sender: PacketSender, network: int) -> str:
    """Sent, dropped, failed."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.setblocking(False)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4608)
        transmitter = SrtpTransmitter(keys_of(1, SrtpProfile.AEAD_AES_128_GCM))
        addresses = [(f"10.9.0.{network + number}", 9) for number in range(VIEWERS)]
        slots = [Recipient(transmitter=transmitter, socket=server, address=address, start=0) for address in addresses]
        fan_out = sender.open()
        for slot in slots:
            fan_out.add(slot)
        for sequence in range(10):
            fan_out.send(rtp_packet(sequence, 1200), sequence)
        lost = sum(slot.dropped + slot.failed for slot in slots)
        return f"{fan_out.packets * VIEWERS - lost} {sender.losses.dropped} {sender.losses.failed}"


if __name__ == "__main__":
    print("portable", report(PortableSender(), 10))
    print("fast", report(FastSender(), 20))
