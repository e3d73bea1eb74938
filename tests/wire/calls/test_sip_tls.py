"""SIP by TLS with a server of others: Kamailio, whose certificate counts, and a phone that it reaches by UDP."""

import base64
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
import trustme
from attrs import frozen

from actors.runtime.logs import TextLines
from protocol.sip.accounts.servers import read_servers
from protocol.sip.events import (
    CallAcknowledged,
    CallAnswered,
    CallEnded,
    InfoArrived,
    RegistrationFailed,
    RegistrationSucceeded,
)
from protocol.sip.messages.headers import NameAddress, parse_uri
from protocol.sip.messages.media_description import parse_description
from protocol.sip.registration import RegistrationPlan
from protocol.sip.transactions.machines import Hop
from protocol.stream.info_texts import StreamInfo
from tests.support.calls.kamailio import PASSWORD, SecuredKamailio, kamailio_by_tls
from tests.support.calls.page_call import ACCOUNT, PageCall, call
from tests.support.calls.plain_phone import EVENTS
from tests.support.calls.sip_peer import Holder, plan, sip_endpoint
from tests.support.calls.sip_phone import SipPhone, sip_phone
from tests.support.servers.full_server import FullServer, full_server
from tests.support.servers.server_process import POLL
from tests.support.session.wcs_client import PATIENCE, WcsClient, wcs_client
from tests.support.webrtc.media_peer import MediaPeer


@frozen(kw_only=True)
class World:
    """A Kamailio: its first port of TLS has a certificate for its address, the second one for another."""

    ports: SecuredKamailio
    authority: Path


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("kamailio")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    files = []
    for name in ("127.0.0.1", "pbx.example"):
        files.append(folder / f"{name}.pem")
        authority.issue_cert(name).private_key_and_cert_chain_pem.write_to_path(files[-1])
    with kamailio_by_tls(folder, *files) as ports:
        yield World(ports=ports, authority=folder / "ca.pem")


async def until_it_listens(port: int) -> None:
    with trio.fail_after(PATIENCE):
        while True:
            try:
                stream = await trio.open_tcp_stream("127.0.0.1", port)
            except OSError:
                await trio.sleep(POLL)
            else:
                await stream.aclose()
                return


async def is_registered(phone: SipPhone, port: int) -> None:
    """The phone is Kamailio's bob."""
    asked = RegistrationPlan(
        account=NameAddress(uri=parse_uri("sip:bob@127.0.0.1")),
        registrar=parse_uri("sip:127.0.0.1"),
        hops=[Hop(transport="udp", host="127.0.0.1", port=port)],
        contact_user="bob",
    )
    phone.registers(asked, PASSWORD)
    await phone.event(RegistrationSucceeded)


async def both_are_heard(made: PageCall, phone: SipPhone) -> None:
    made.speak(b"to the phone")
    while b"to the phone" not in [packet.payload for packet in phone.media.received]:
        await phone.media.hear(len(phone.media.received) + 1)
    phone.media.talk(b"to the page")
    await made.hears(b"to the page")


async def digits_arrive(made: PageCall, phone: SipPhone) -> None:
    await made.command("sendDtmf", type="INFO_RELAY", dtmf="7")
    assert b"Signal=7" in (await phone.event(InfoArrived)).body
    await made.command("sendDtmf", type="RFC2833", dtmf="5")
    while not (
        digits := {each.payload[0] for each in phone.media.received if each.payload_type == EVENTS.payload_type}
    ):
        await phone.media.hear(len(phone.media.received) + 1)
    assert digits == {5}


def key_in(description: bytes | None) -> bytes:
    """The key of an SDP for SRTP."""
    assert description is not None
    return parse_description(description).audio.crypto[0].key


async def shown_of(server: FullServer) -> str:
    """What operators can see of connections and calls."""
    paths = ("connection/find_all", "call/find_all", "stat/find_all")
    answers = [await server.rest.get(f"/rest-api/{path}") for path in paths]
    assert [answer.status_code for answer in answers[:2]] == [200, 200]
    return "".join(answer.text for answer in answers)


async def calls(client: WcsClient, phone: SipPhone) -> bytes:
    """The page calls the phone, which hangs up; the key that the server has offered."""
    made = await call(client, "bob")
    arrived = await phone.is_called()
    assert [via.split()[0] for via in arrived.request.headers.values("Via")] == ["SIP/2.0/UDP", "SIP/2.0/TLS"]
    phone.does("answer", phone.description(arrived.offer))
    await phone.event(CallAcknowledged)
    await made.connect()
    await made.status("talk", "ESTABLISHED")
    await both_are_heard(made, phone)
    await digits_arrive(made, phone)
    phone.hang_up()  # the BYE comes by the connection that is there
    assert (await made.status("finish", "FINISH")).get("info") != StreamInfo.FAILED_BY_RTP_ACTIVITY
    return key_in(arrived.offer)


async def is_called(client: WcsClient, phone: SipPhone, server: FullServer) -> tuple[bytes, str]:
    """The phone calls the page, which hangs up; the key of the server, and what operators can see meanwhile."""
    incoming = await client.receive("notifyIncomingCall")
    made = PageCall(client, incoming["callId"], MediaPeer(g711=True, video=None))
    client.peers.append(made.peer)
    (offer,) = client.of("setRemoteSDP", mediaSessionId=made.id)
    await made.command("answer", sdp=made.peer.call_answer(offer["sdp"]), incoming=True)
    answer = (await phone.event(CallAnswered)).description
    phone.hear(answer)
    await made.status("talk", "ESTABLISHED")
    await made.go()
    await both_are_heard(made, phone)
    shown = await shown_of(server)
    await made.command("hangup")
    await made.status("finish", "FINISH")
    assert (await phone.event(CallEnded)).was_up
    return key_in(answer), shown


async def test_a_page_is_registered_calls_and_is_called_by_tls_with_srtp_and_no_secret_is_shown(
    world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", logger="wcsd")
    tls, _ = world.ports.tls
    await until_it_listens(tls)
    settings = {"sip_ca_file": world.authority, "port_from": 0, "sip_address": "127.0.0.1"}
    servers = read_servers(f"127.0.0.1:{tls};transport=tls")
    async with (
        sip_phone() as phone,
        full_server(tmp_path, sip_servers=servers, **settings) as server,
        wcs_client(server.url("ws"), **ACCOUNT | {"sipPassword": PASSWORD, "sipRegisterRequired": True}) as client,
    ):
        phone.secret = bytes(range(30))
        await is_registered(phone, world.ports.udp)
        await client.receive("registered", sipLogin="alice")
        first = await calls(client, phone)
        phone.dials(f"sip:alice@127.0.0.1:{world.ports.udp}", offer=phone.description())
        second, shown = await is_called(client, phone, server)
    assert first != second, "each call has a key of its own"
    lines = "\n".join(TextLines().format(record) for record in caplog.records if record.name.startswith("wcsd"))
    assert "registered at SIP server" in lines
    keys = (base64.b64encode(key).decode() for key in (first, second, phone.secret))
    for secret in (PASSWORD, "Digest", "response=", *keys):
        assert not any(secret in text for text in (lines, shown, str(client.frames)))


async def test_a_phone_hangs_up_on_a_page_that_is_not_registered(world: World, tmp_path: Path) -> None:
    """Its BYE comes by our connection, which our Contact has named: nobody can make one to us."""
    tls, _ = world.ports.tls
    await until_it_listens(tls)
    servers = read_servers(f"127.0.0.1:{tls};transport=tls")
    settings = {"sip_ca_file": world.authority, "port_from": 0, "sip_address": "127.0.0.1"}
    async with (
        sip_phone() as phone,
        full_server(tmp_path, sip_servers=servers, **settings) as server,
        wcs_client(server.url("ws"), **ACCOUNT) as client,
    ):
        phone.secret = bytes(range(30))
        await is_registered(phone, world.ports.udp)
        await calls(client, phone)


@pytest.mark.parametrize(
    ("port", "is_known", "why"),
    [
        (1, True, "IP address mismatch, certificate is not valid for '127.0.0.1'"),
        (0, False, "unable to get local issuer certificate"),
    ],
)
async def test_a_server_with_another_certificate_is_sent_nothing_and_the_log_says_why(
    world: World, port: int, is_known: bool, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    number = world.ports.tls[port]
    await until_it_listens(number)
    settings = {"sip_ca_file": world.authority} if is_known else {}
    async with sip_endpoint(f"127.0.0.1:{number};transport=tls", **settings) as endpoint:
        holder = Holder()
        hop = Hop(transport="tls", host="127.0.0.1", port=number, name="127.0.0.1")
        endpoint.register(plan(hop), None, holder)
        assert (await holder.event(RegistrationFailed)).status == 408
        assert endpoint.traffic.requests["out", "REGISTER"] == 1
        assert endpoint.transport.connection_count == 0
    (line,) = [TextLines().format(each) for each in caplog.records if each.levelno == logging.WARNING]
    assert "SIP server cannot be reached" in line
    assert "peer=127.0.0.1 transport=tls" in line
    assert why in line
    assert "setting=sip.ca_file" in line
