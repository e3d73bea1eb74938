"""Which packet sender runs, and that one that does not do its work is found out before it does."""

import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from actors.machine.facts import read_facts
from actors.media.io.outlet import Outlet
from actors.media.sending import fast_sender, self_test
from actors.media.sending.fast_sender import FastSender
from actors.media.sending.joined_messages import JoinedMessages
from actors.media.sending.self_test import SelfTestFailed, prove
from actors.media.sending.sender import FanOut, Losses, PacketSender, PortableSender, Recipient
from actors.media.sending.sender_choice import choose_sender
from config.settings import MediaSender, Settings
from protocol.cluster.redis_url import parse_redis_url
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
    prove(make, for_nodes=True)


class SmallSocket(socket.socket):
    """As a system makes it that grants no more than 200 kB, like Linux before 6.16 unless told otherwise."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        super().setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 212_992 // 2)  # the kernel doubles it

    def setsockopt(self, *given: Any) -> None:
        if given[1] != socket.SO_RCVBUF:
            super().setsockopt(*given)


def test_a_system_with_small_buffers_is_no_reason_against_the_fast_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "socket", SmallSocket)
    assert choose_sender(MediaSender.AUTO, for_nodes=True).name == "fast"


@pytest.mark.parametrize("fault", FaultyFanOut.__subclasses__())
def test_every_fault_is_found(fault: type[FaultyFanOut]) -> None:
    with pytest.raises(SelfTestFailed):
        prove(lambda: FaultySender(fault))


def test_where_there_is_no_ipv6_the_sender_is_proved_without_it_and_no_socket_stays_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    nowhere = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "2001:db8::1"}
    monkeypatch.setattr(self_test, "_LOOPBACKS", nowhere)
    with pytest.raises(OSError, match="Cannot assign requested address"):
        self_test._open(socket.AF_INET6)
    assert choose_sender(MediaSender.AUTO).name == "fast"


class FaultyForNodes(FaultySender):
    """It sends to viewers as it should."""

    def open(self, *, for_node: bool = False) -> FanOut:
        return super().open() if for_node else self._portable.open()


class SendsNothing(JoinedMessages):
    def submit(self) -> None:
        self._messages = []
        super().submit()


@pytest.mark.parametrize("fault", FaultyFanOut.__subclasses__())
def test_every_fault_of_what_is_sent_to_nodes_is_found(fault: type[FaultyFanOut]) -> None:
    prove(lambda: FaultyForNodes(fault))
    with pytest.raises(SelfTestFailed, match="for nodes"):
        prove(lambda: FaultyForNodes(fault), for_nodes=True)


def test_a_node_proves_what_it_sends_to_others(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert choose_sender(MediaSender.AUTO, for_nodes=True).name == "fast"
    monkeypatch.setattr(fast_sender, "JoinedMessages", SendsNothing)
    assert choose_sender(MediaSender.AUTO, for_nodes=True).name == "portable"
    node = evolve(Settings(), cluster_redis_url=parse_redis_url("redis://127.0.0.1"))
    assert [read_facts(settings, tmp_path).sender.name for settings in (Settings(), node)] == ["fast", "portable"]


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
