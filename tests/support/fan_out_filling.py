"""What fan-outs lose, and how to fill them."""

import socket

import pytest

from actors.media.sending.fast_sender import FastSender
from actors.media.sending.recipient_batch import GROUP_SIZE
from actors.media.sending.sender import FanOut, PortableSender, Recipient

FAMILIES = pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6], ids=["IPv4", "IPv6"])
SENDERS = pytest.mark.parametrize("make", [PortableSender, FastSender])
COUNTS = (1, 2, 3, GROUP_SIZE - 1, GROUP_SIZE, GROUP_SIZE + 1, 2 * GROUP_SIZE + 2)


def fill(fan_out: FanOut, slots: list[Recipient]) -> None:
    for slot in slots:
        fan_out.add(slot)


def losses(slots: list[Recipient]) -> list[tuple[int, int]]:
    return [(slot.dropped, slot.failed) for slot in slots]
