"""The SIP endpoint with programs of others: Kamailio as registrar and proxy, sipp as phone and as caller."""

from pathlib import Path

import trio

from actors.calls.sip.endpoint import SipEndpoint
from protocol.sip.accounts.account import make_account
from protocol.sip.calls.outgoing_call import Invitation
from protocol.sip.events import (
    CallAcknowledged,
    CallAnswered,
    CallArrived,
    CallEnded,
    CallProgressed,
    OfferAccepted,
    OfferArrived,
    RegistrationSucceeded,
)
from protocol.sip.messages.headers import NameAddress, parse_name_address, parse_uri
from protocol.sip.registration import RegistrationPlan
from protocol.sip.transactions.machines import Hop
from tests.support.calls.kamailio import PASSWORD, kamailio
from tests.support.calls.sip_network import ANSWER, OFFER
from tests.support.calls.sip_peer import Holder, plan, sip_endpoint, udp_peer
from tests.support.network.ports import unused_port
from tests.support.session.wcs_client import PATIENCE


async def registered(endpoint: SipEndpoint, login: str, server: Hop) -> Holder:
    """An account at Kamailio."""
    account = make_account(
        endpoint.access.servers, login=login, domain="127.0.0.1", port=server.port, password=PASSWORD
    )
    holder = Holder()
    asked = RegistrationPlan(
        account=account.address, registrar=account.registrar, hops=[server], contact_user=login, expires=600
    )
    endpoint.register(asked, account.credentials, holder)
    await holder.event(RegistrationSucceeded)
    return holder


def calling(callee: str, server: Hop, contact: str = "alice") -> Invitation:
    return Invitation(
        caller=NameAddress(uri=parse_uri("sip:alice@127.0.0.1")),
        callee=parse_uri(callee),
        hops=[server],
        offer=OFFER,
        contact_user=contact,
        contact_token="t",
    )


async def test_two_accounts_at_kamailio_call_each_other(tmp_path: Path) -> None:
    with kamailio(tmp_path) as port:
        server = Hop(transport="udp", host="127.0.0.1", port=port)
        async with sip_endpoint() as endpoint:
            await registered(endpoint, "alice", server)
            bob, alice = await registered(endpoint, "bob", server), Holder()
            line = endpoint.call(calling("sip:bob@127.0.0.1", server), None, alice.hear)
            arrived = await bob.event(CallArrived)
            assert arrived.request.headers.has("Record-Route")
            (other,) = bob.lines
            other.ring()
            assert (await alice.event(CallProgressed)).status == 180
            other.answer(ANSWER)
            assert (await alice.event(CallAnswered)).description == ANSWER
            await bob.event(CallAcknowledged)
            line.offer(OFFER.replace(b"4000", b"4002"))
            assert b"4002" in (await bob.event(OfferArrived)).offer
            other.accept_offer(ANSWER)
            await alice.event(OfferAccepted)
            await bob.event(CallAcknowledged)
            other.hang_up()
            assert (await alice.event(CallEnded)).was_up
            refused = Holder()
            endpoint.call(calling("sip:carol@127.0.0.1", server), None, refused.hear)
            assert (await refused.event(CallEnded)).status == 404


def sipp(*options: str) -> list[str]:
    """The command of sipp for one call, which gives up by itself."""
    return ["sipp", "-i", "127.0.0.1", "-m", "1", "-nostdin", "-timeout", "30s", "-timeout_error", *options]


async def finished(command: list[str], folder: Path) -> int:
    with trio.fail_after(2 * PATIENCE), (folder / "sipp.log").open("wb") as log:
        done = await trio.run_process(command, cwd=folder, check=False, stdout=log, stderr=log)
    return done.returncode


async def test_a_call_to_sipp(tmp_path: Path) -> None:
    port = unused_port()
    async with sip_endpoint() as endpoint, trio.open_nursery() as nursery:
        codes: list[int] = []

        async def serve() -> None:
            codes.append(await finished(sipp("-sn", "uas", "-p", str(port)), tmp_path))

        nursery.start_soon(serve)
        heard = Holder()
        server = Hop(transport="udp", host="127.0.0.1", port=port)
        line = endpoint.call(calling("sip:service@127.0.0.1", server), None, heard.hear)
        assert (await heard.event(CallProgressed)).status == 180
        assert b"m=audio" in (await heard.event(CallAnswered)).description
        line.hang_up()
    assert codes == [0]


async def test_a_call_from_sipp(tmp_path: Path) -> None:
    async with udp_peer() as peer, sip_endpoint() as endpoint, trio.open_nursery() as nursery:
        holder = Holder()
        endpoint.register(plan(peer.hop), None, holder)
        request = await peer.request("REGISTER")
        await peer.answer(request, 200)
        await holder.event(RegistrationSucceeded)
        assert parse_name_address(request.headers.get("Contact")).uri.user == "alice"
        target = f"127.0.0.1:{endpoint.port}"
        codes: list[int] = []

        async def call() -> None:
            codes.append(await finished(sipp("-sn", "uac", "-s", "alice", "-d", "50", target), tmp_path))

        nursery.start_soon(call)
        await holder.event(CallArrived)
        (line,) = holder.lines
        line.ring()
        line.answer(ANSWER)
        await holder.event(CallAcknowledged)
        assert (await holder.event(CallEnded)).was_up
    assert codes == [0]
