"""Which packet sender runs, and that one that does not do its work is found out before it does."""

import sys
from collections.abc import Callable, Sequence

import pytest

from actors.media.io.outlet import Outlet
from actors.media.sending.fast_sender import FastSender
from actors.media.sending.self_test import SelfTestFailed, prove
from actors.media.sending.sender import FanOut, Losses, PacketSender, PortableSender, Recipient
from actors.media.sending.sender_choice import choose_sender
from config.settings import MediaSender
from protocol.webrtc.stun import Address


class FaultyFanOut:
    """Does everything as the portable one does; each fault below changes one thing."""

    def __init__(self, inner: FanOut) -> None:
        self.inner = inner
        self.packets = 0
        self.octets = 0

    def __len__(self) -> int:
        return len(self.inner)

    def add(self, recipient: Recipient) -> None:
        self.inner.add(recipient)

    def remove(self, recipient: Recipient) -> None:
        self.inner.remove(recipient)

    def readdress(self, recipient: Recipient, socket: Outlet, address: Address) -> None:
        self.inner.readdress(recipient, socket, address)

    def send(self, packet: bytes, sequence: int) -> None:
        self.packets += 1
        self.octets += len(packet)
        self.inner.send(packet, sequence)

    def queue(self, packets: Sequence[bytes], sequence: int) -> None:
        for number, packet in enumerate(packets, sequence):
            self.send(packet, number)


class LosesSomebody(FaultyFanOut):
    def add(self, recipient: Recipient) -> None:
        if len(self) < 64:
            super().add(recipient)


class ForgetsNobody(FaultyFanOut):
    def remove(self, recipient: Recipient) -> None:
        pass


class DoesNotFollow(FaultyFanOut):
    def readdress(self, recipient: Recipient, socket: Outlet, address: Address) -> None:
        pass


class SendsLatePackets(FaultyFanOut):
    def send(self, packet: bytes, sequence: int) -> None:
        super().send(packet, 1 << 40)


class SendsOtherBytes(FaultyFanOut):
    def send(self, packet: bytes, sequence: int) -> None:
        super().send(packet[:-1] + b"?", sequence)


class Miscounts(FaultyFanOut):
    def send(self, packet: bytes, sequence: int) -> None:
        super().send(packet, sequence)
        self.octets += 1


class LacksAName(FaultyFanOut):
    def add(self, recipient: Recipient) -> None:
        raise AttributeError("'Session' object has no attribute '_srtp'")


class FaultySender:
    name = "faulty"
    gathers = False

    def __init__(self, fan_out: type[FaultyFanOut]) -> None:
        self.reason = ""
        self._portable = PortableSender()
        self.losses = self._portable.losses
        self._fan_out = fan_out

    def open(self, *, for_node: bool = False) -> FanOut:
        return self._fan_out(self._portable.open())

    def flush(self) -> None:
        pass


class CountsNoLosses(FaultySender):
    def __init__(self) -> None:
        super().__init__(FaultyFanOut)
        self.losses = Losses()


@pytest.mark.parametrize("make", [PortableSender, FastSender, lambda: FaultySender(FaultyFanOut)])
def test_a_good_sender_passes(make: Callable[[], PacketSender]) -> None:
    prove(make)


@pytest.mark.parametrize("fault", FaultyFanOut.__subclasses__())
def test_every_fault_is_found(fault: type[FaultyFanOut]) -> None:
    with pytest.raises(SelfTestFailed):
        prove(lambda: FaultySender(fault))


def test_losses_that_are_not_counted_are_found() -> None:
    with pytest.raises(SelfTestFailed):
        prove(CountsNoLosses)


def test_the_fast_one_runs_here() -> None:
    for choice in (MediaSender.AUTO, MediaSender.FAST):
        sender = choose_sender(choice)
        assert (sender.name, sender.reason) == ("fast", "passed its test against the portable one")


def test_the_portable_one_runs_when_it_is_asked_for() -> None:
    sender = choose_sender(MediaSender.PORTABLE)
    assert (sender.name, sender.reason) == ("portable", "set by media.sender")


@pytest.mark.parametrize(
    ("module", "word"),
    [("actors.media.sending.fast_sender", "ModuleNotFoundError"), ("pylibsrtp._binding", "_binding")],
)
def test_without_private_names_the_portable_one_runs(monkeypatch: pytest.MonkeyPatch, module: str, word: str) -> None:
    for loaded in ("fast_sender", "recipient_batch", "packet_buffers"):
        monkeypatch.delitem(sys.modules, f"actors.media.sending.{loaded}")
    monkeypatch.setitem(sys.modules, module, None)
    sender = choose_sender(MediaSender.AUTO)
    assert sender.name == "portable"
    assert sender.reason.startswith("the fast one failed its test: ")
    assert word in sender.reason
    with pytest.raises(ValueError, match=r"media\.sender=fast does not work here: "):
        choose_sender(MediaSender.FAST)


def test_the_log_tells_which_and_why(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "wcsd.media"):
        choose_sender(MediaSender.PORTABLE)
    assert caplog.records[-1].message == "media sender chosen"
    assert vars(caplog.records[-1])["wcsd_fields"] == {"sender": "portable", "reason": "set by media.sender"}
