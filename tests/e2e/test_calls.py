"""A page with the unmodified SDK is a phone: it calls another one, and hears itself from there."""

from collections.abc import Iterator

import pytest

from tests.support.browsers.sdk_page import OpenPage, SdkPage
from tests.support.calls.echo_phone import EchoPhone, echo_phone
from tests.support.servers.server_process import ServerProcess, running_server

CALL = """(callee) => {
  const display = () => document.getElementById("displays").appendChild(document.createElement("div"));
  const call = harness.state.session.createCall({
    callee, visibleName: "Alice", constraints: { audio: true, video: false },
    localVideoDisplay: display(), remoteVideoDisplay: display(),
  });
  window.told = [];
  for (const status of Object.values(Flashphoner.constants.CALL_STATUS)) call.on(status, () => told.push(status));
  window.phone = call;
  call.call();
}"""


@pytest.fixture(scope="module")
def phone() -> Iterator[EchoPhone]:
    with echo_phone() as phone:
        yield phone


@pytest.fixture(scope="module")
def server(phone: EchoPhone, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that knows the phone as its SIP server."""
    settings = {
        "sip.servers": f"127.0.0.1:{phone.address[1]}",
        "sip.address": "127.0.0.1",
        "port_from": 0,
        "ip": "127.0.0.1",
    }
    with running_server(tmp_path_factory.mktemp("server"), settings) as server:
        yield server


def told(page: SdkPage, *statuses: str) -> None:
    """Wait until the page was told these, in this order, and nothing else."""
    page.wait("(wanted) => told.length >= wanted.length", list(statuses))
    assert page.run("() => told") == list(statuses)


def test_a_page_calls_holds_sends_digits_and_hangs_up(
    open_page: OpenPage, server: ServerProcess, phone: EchoPhone
) -> None:
    page = open_page()
    account = {"login": "alice", "password": "secret", "domain": "127.0.0.1", "registerRequired": True}
    page.connect(server.ws_url(), sipOptions=account)
    page.run(CALL, "1000")
    told(page, "TRYING", "RING", "ESTABLISHED")
    page.wait(
        """async () => {
          const stats = await new Promise((resolve) => phone.getStats(resolve));
          return (stats.inboundStream?.audio?.packetsReceived ?? 0) > 30;
        }"""
    )
    page.run("() => phone.sendDTMF('5', 'RFC2833')")
    page.run("() => phone.sendDTMF('7', 'INFO_RELAY')")
    server.wait_until(lambda: phone.digits == {5} and len(phone.infos) == 1, what="digits")
    page.run("() => phone.hold()")
    told(page, "TRYING", "RING", "ESTABLISHED", "HOLD")
    page.run("() => phone.unhold()")
    told(page, "TRYING", "RING", "ESTABLISHED", "HOLD", "ESTABLISHED")
    page.run("() => phone.hangup()")
    told(page, "TRYING", "RING", "ESTABLISHED", "HOLD", "ESTABLISHED", "FINISH")
    server.wait_until(lambda: phone.ended == 1, what="the phone hears BYE")
    assert phone.callees == ["1000"]
    assert phone.heard > 30
    assert "secret" not in server.log()
