"""A SIP connection on the test clock: who takes too long for a message, or does not read, is cut off."""

import contextlib

import trio
import trio.testing
from attrs import evolve

from actors.calls.sip.connections import MESSAGE_TIMEOUT, ConnectionServices, SipConnections
from protocol.sip.core import Outbound
from protocol.sip.messages.message import SipMessage, parse_datagram
from protocol.sip.transactions.machines import Hop

PEER = Hop(transport="tcp", host="192.0.2.1", port=5060)
OPTIONS = b"OPTIONS sip:a@b SIP/2.0\r\nContent-Length: 0\r\n\r\n"


class Rig:
    """One connection over memory, and what its owner hears."""

    def __init__(self) -> None:
        self.messages: list[SipMessage] = []
        self.lost: list[Hop] = []
        self.connections = SipConnections(
            ConnectionServices(
                on_message=lambda message, hop: self.messages.append(message),
                on_unsent=lambda outbound: None,
                on_lost=self.lost.append,
                server_at=lambda hop: None,
                timeout=lambda: 5.0,
                ca_file=lambda: None,
            )
        )
        self.ours, self.theirs = trio.testing.memory_stream_pair()

    async def serve(self, hop: Hop = PEER) -> None:
        await self.connections._serve(self.connections._add(hop), self.ours)

    def send(self, hop: Hop) -> bool:
        return self.connections.send(Outbound(data=OPTIONS, hop=hop, message=parse_datagram(OPTIONS)))


async def test_a_message_that_drips_in_has_ten_seconds_in_all(autojump_clock: object) -> None:
    rig = Rig()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(rig.serve)
        await trio.sleep(60)  # to be idle is no fault
        await rig.theirs.send_all(OPTIONS)
        await trio.testing.wait_all_tasks_blocked()
        assert len(rig.messages) == 1
        began = trio.current_time()
        while not rig.lost:
            await rig.theirs.send_all(b"O")
            await trio.sleep(1)
    assert MESSAGE_TIMEOUT <= trio.current_time() - began <= MESSAGE_TIMEOUT + 2
    assert len(rig.connections) == 0


async def test_a_peer_that_does_not_read_is_cut_off(autojump_clock: object) -> None:
    rig = Rig()
    rig.ours.send_stream.send_all_hook = trio.sleep_forever
    async with trio.open_nursery() as nursery:
        nursery.start_soon(rig.serve)
        await trio.testing.wait_all_tasks_blocked()
        assert rig.connections.send(Outbound(data=OPTIONS, hop=PEER, message=parse_datagram(OPTIONS)))
        await trio.sleep(MESSAGE_TIMEOUT + 1)
    assert rig.lost == [PEER]


async def test_pings_without_number_end_the_connection_of_a_peer_that_does_not_read(autojump_clock: object) -> None:
    rig = Rig()
    rig.ours.send_stream.send_all_hook = trio.sleep_forever
    async with trio.open_nursery() as nursery:
        nursery.start_soon(rig.serve)
        began = trio.current_time()
        with contextlib.suppress(trio.BrokenResourceError):
            while not rig.lost:
                await rig.theirs.send_all(b"\r\n\r\n")
                await trio.testing.wait_all_tasks_blocked()
    assert rig.lost == [PEER]
    assert trio.current_time() - began < MESSAGE_TIMEOUT


async def test_what_is_for_one_name_does_not_go_by_the_connection_of_another(autojump_clock: object) -> None:
    """Else who has a certificate for any name, and can lie about an address, gets what is for the others."""
    rig = Rig()
    other = Hop(transport="tls", host="192.0.2.1", port=5061, name="other.example")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(rig.serve, other)
        await trio.testing.wait_all_tasks_blocked()
        assert not rig.send(evolve(other, name="pbx.example"))  # a new connection would be made
        assert rig.send(other)
        assert rig.send(evolve(other, name="")), "what is sent back to an address"
        nursery.cancel_scope.cancel()
