"""What fan-outs lose, and how to fill them."""

import socket

import pytest

from actors.media.sending.fast_sender import FastSender
from actors.media.sending.recipient_batch import BATCH_SIZE
from actors.media.sending.sender import FanOut, PortableSender, Recipient

FAMILIES = pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6], ids=["IPv4", "IPv6"])
SENDERS = pytest.mark.parametrize("make", [PortableSender, FastSender])
COUNTS = (1, 2, 3, BATCH_SIZE - 1, BATCH_SIZE, BATCH_SIZE + 1, 2 * BATCH_SIZE + 2)


def fill(fan_out: FanOut, recipients: list[Recipient]) -> None:
    for recipient in recipients:
        fan_out.add(recipient)


def losses(recipients: list[Recipient]) -> list[tuple[int, int]]:
    return [(recipient.dropped, recipient.failed) for recipient in recipients]
