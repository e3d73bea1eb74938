"""The kernel's arrival times of datagrams, which it does not begin to take at once."""

import time

from actors.media.io.datagrams import Datagrams
from actors.media.io.receiver import Receiver
from tests.support.media.fan_out_rig import open_socket

PATIENCE = 10.0
"""Seconds."""


def await_stamps() -> None:
    """Linux stamps datagrams as they come from a moment after the first socket has asked for it; before, on reading.

    It goes on for as long as any socket asks for it: one must be open already.
    """
    arrivals: list[float] = []

    def take(datagrams: Datagrams) -> None:
        arrivals.extend(datagrams.arrivals)

    give_up_at = time.monotonic() + PATIENCE
    with open_socket() as receiving, open_socket() as sending:
        sending.connect(receiving.getsockname())
        receiver = Receiver(receiving, time.monotonic, take)
        while time.monotonic() < give_up_at:
            sending.send(b"probe")
            sent_at = time.monotonic()
            time.sleep(0.01)
            receiver.drain(time.monotonic())
            if any(arrival < sent_at + 0.005 for arrival in arrivals):
                receiver.close()
                return
            arrivals.clear()
    raise AssertionError("the kernel stamps no datagrams")
