"""A page with the unmodified SDK as a phone: it calls and is called."""

from typing import Any

from attrs import define

from tests.support.browsers.sdk_page import SdkPage

_INSTALL = """() => {
  const { SESSION_STATUS, CALL_STATUS } = Flashphoner.constants;
  const displays = () => ({ localVideoDisplay: harness.newDisplay(), remoteVideoDisplay: harness.newDisplay() });
  const constraints = { audio: true, video: false };
  const adopt = (call) => {
    const told = []; // its own: the end of the call before may be told only now
    Object.assign(phone, { call, told });
    for (const status of Object.values(CALL_STATUS)) call.on(status, () => told.push(status));
    return call;
  };
  const { session } = harness.state;
  window.phone = {
    call: null,
    told: [],
    dial: (callee) => adopt(session.createCall({ callee, constraints, ...displays() })).call(),
    answer: () => phone.call.answer({ constraints, ...displays() }),
  };
  session.on(SESSION_STATUS.INCOMING_CALL, adopt);
}"""
HEARS = """async () => {
  const reports = [...(await watch.peers.at(-1).getStats()).values()].filter((one) => one.kind === "audio");
  const [come, gone] = ["inbound-rtp", "outbound-rtp"].map((type) => reports.find((one) => one.type === type) ?? {});
  return come.packetsReceived > 30 && come.totalAudioEnergy > 0 && gone.packetsSent > 30;
}"""
"""Whether the last call of a page has voice both ways."""


@define
class SdkPhone:
    """See above. Each call is the page's last one."""

    page: SdkPage

    @classmethod
    def connect(cls, page: SdkPage, url: str, **options: Any) -> "SdkPhone":
        """Make a session with an account; ready to call."""
        page.connect(url, **options)
        page.run(_INSTALL)
        return cls(page)

    def is_registered(self) -> None:
        """Wait for it."""
        self.page.wait_for_frames("registered", 1)

    def dials(self, callee: str) -> None:
        self.page.run("(callee) => phone.dial(callee)", callee)

    def rings(self) -> None:
        """Wait until it is called."""
        self.page.wait("() => phone.call !== null && phone.call.status() === 'RING'")

    def answers(self) -> None:
        self.page.run("() => phone.answer()")

    def does(self, method: str) -> None:
        """Call a method of the SDK's call."""
        self.page.run("(method) => phone.call[method]()", method)

    def told(self, *statuses: str) -> None:
        """Wait until the page was told these, in this order, and nothing else."""
        self.page.wait("(wanted) => phone.told.length >= wanted.length", list(statuses))
        assert self.page.run("() => phone.told") == list(statuses)

    def hears(self) -> None:
        """Wait until voice goes both ways."""
        self.page.wait(HEARS)
