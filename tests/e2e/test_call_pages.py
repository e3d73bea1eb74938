"""Pages as phones at Kamailio: the SDK's own suite for SIP and the phones of its package as they are, and Firefox."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from attrs import define
from playwright.sync_api import Browser, Locator, Page, expect

from tests.support.browsers.sdk_page import PATIENCE, OpenPage
from tests.support.browsers.sdk_phone import HEARS, SdkPhone
from tests.support.calls.kamailio import kamailio
from tests.support.hooks.backend import ScriptedBackend, backend_thread
from tests.support.hooks.behaviours import app_config, deny, rewrite
from tests.support.servers.server_process import ServerProcess, running_server

PASSWORD = "1234"
"""The one of the SDK's suite. Each test has accounts of its own: Phone Min's outlive their pages (`keepAlive`)."""
WATCH = Path(__file__).parent / "site/watch.js"
EXAMPLES = "/sdk/examples/demo/sip"
PHONE_MIN = "phone/phone.html"
MOCHA = """(urlServer) => {
  const hooks = [], tests = [];
  Object.assign(window, {
    results: [],
    describe: (name, body) => body(),
    before: (hook) => hooks.push(hook),
    it: (name, body) => tests.push([name, body]),
    sOptions: { urlServer },
    initOptions: {},
    addDisplay: () => {
      const display = document.body.appendChild(document.createElement("div"));
      display.localVideoDisplay = display;
      display.remoteVideoDisplay = display.appendChild(document.createElement("div"));
      return display;
    },
    removeDisplay: (display) => display.remove(),
    run: async () => {
      for (const hook of hooks) hook();
      for (const [name, body] of tests) {
        await new Promise((resolve) => {
          const done = (error) => resolve(results.push([name, error?.message ?? "passed"]));
          body.call({ timeout() {} }, done);
        });
      }
    },
  });
}"""
"""As much of Mocha as the suite needs, and what its test.html has beside it.

The suite gives `answer` a display, which this SDK takes for its options: so the display has those.
"""
SHORTER_TALKS = """
  const { setTimeout } = window;
  window.setTimeout = (call, delay, ...given) => setTimeout(call, delay === 10_000 ? 500 : delay, ...given);
"""
"""The suite talks for ten seconds."""


@pytest.fixture(scope="module")
def sip_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with kamailio(tmp_path_factory.mktemp("kamailio"), PASSWORD) as port:
        yield port


@pytest.fixture(scope="module")
def server(sip_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server whose SIP server is Kamailio."""
    settings = {
        "sip.servers": f"127.0.0.1:{sip_port}",
        "sip.address": "127.0.0.1",
        "sip.max_calls_per_minute": 1000,
        "port_from": 0,
    }
    with running_server(tmp_path_factory.mktemp("server"), settings) as server:
        yield server


@define(eq=False)
class PhonePage:
    """A phone of the package."""

    page: Page

    def of(self, selector: str) -> Locator:
        return self.page.locator(selector)

    def fills(self, **fields: str) -> None:
        for name, value in fields.items():
            self.of(f"#{name}").fill(value)

    def shows(self, selector: str, text: str) -> None:
        expect(self.of(selector)).to_have_text(text)

    def hears(self) -> None:
        """Wait until voice goes both ways."""
        assert self.page.evaluate(f"watch.until({HEARS}, {PATIENCE})")


OpenPhone = Callable[[str], PhonePage]


@pytest.fixture
def phone_page(browser: Browser, site: str, server: ServerProcess, emptied_server: None) -> Iterator[OpenPhone]:
    """Opens a page of the package that is a phone, each in a browser of its own."""
    pages: list[Page] = []
    port = server.addresses["ws"][0].port

    def open_one(address: str) -> PhonePage:
        page = browser.new_context().new_page()
        pages.append(page)
        page.set_default_timeout(PATIENCE)
        page.add_init_script(path=WATCH)
        page.add_init_script(f"window.SERVER_PORTS = {{ ws: {port} }};")
        page.goto(f"{site}{EXAMPLES}/{address}")
        if address == PHONE_MIN:  # which loads its parts one after the other, and only then do its buttons anything
            expect(page.locator("#holdBtn")).to_be_attached()
        return PhonePage(page)

    yield open_one
    for page in pages:
        page.context.close()


def account(login: str, sip_port: int) -> dict[str, str]:
    """What the fields of the package's phones want."""
    return {
        "sipLogin": login,
        "sipAuthenticationName": login,
        "sipPassword": PASSWORD,
        "sipDomain": "127.0.0.1",
        "sipOutboundProxy": "127.0.0.1",
        "sipPort": str(sip_port),
    }


def registered(page: PhonePage, login: str, sip_port: int) -> PhonePage:
    """Phone Min, ready."""
    page.fills(**account(login, sip_port))
    page.of("#connectBtn").click()
    page.shows("#regStatus", "REGISTERED")
    return page


def test_the_suite_of_the_sdk(browser: Browser, site: str, server: ServerProcess, emptied_server: None) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.add_init_script(SHORTER_TALKS)
    page.goto(f"{site}/sdk.html")
    page.evaluate(MOCHA, server.ws_url())
    page.add_script_tag(url=f"{site}/sdk/test/sip-test.js")
    page.evaluate("void run()")
    page.wait_for_function("results.length === 2")
    assert page.evaluate("results") == [["should register", "passed"], ["outgoing and incoming call", "passed"]]
    context.close()


def test_click_to_call_calls_phone_min(phone_page: OpenPhone, sip_port: int, server: ServerProcess) -> None:
    called = registered(phone_page(PHONE_MIN), "3001", sip_port)
    caller = phone_page("click-to-call/click-to-call.html")
    caller.of("#sipCredentialsBtn").click()
    caller.fills(callee="3001", **account("3000", sip_port))
    caller.of("#okBtn").click()
    caller.of("#callBtn").click()
    called.shows("#incomingCallAlert", "You have a new call from 3000@127.0.0.1")
    called.of("#answerBtn").click()
    caller.shows("#status", "Call: ESTABLISHED")
    called.shows("#callStatus", "ESTABLISHED")
    for page in (caller, called):
        page.hears()
    for button in ("Unhold", "Hold"):
        called.of("#holdBtn").click()
        called.shows("#holdBtn", button)
        expect(called.of("#holdBtn")).to_be_enabled()
    caller.of("#callBtn").click()
    caller.shows("#callBtn", "Call")
    called.shows("#callStatus", "FINISH")
    called.of("#connectBtn").click()
    called.shows("#regStatus", "DISCONNECTED")


def test_phone_ui_calls_and_is_called(phone_page: OpenPhone, sip_port: int) -> None:
    other = registered(phone_page(PHONE_MIN), "3003", sip_port)
    page = phone_page("phone-ui/Phone.html")
    page.of(".b-display__header__login").click()
    page.fills(**account("3002", sip_port))
    page.of(".b-login input[type=button]").click()
    page.shows(".b-display__header__login", "Log out")

    for digit in "3003":
        page.of(f".b-num td:text-is('{digit}')").click()
    page.of(".b-nav__voice").click()
    other.of("#answerBtn").click()
    for each in (page, other):
        each.hears()
    page.of(".voice_call__stop").click()
    expect(page.of(".voice_call__call__pause")).to_be_visible()
    page.of(".voice_call__play").click()
    expect(page.of(".voice_call__call__play")).to_be_visible()
    other.of("#hangupBtn").click()
    expect(page.of(".voice_call__call")).to_be_hidden()

    other.fills(callee="3002")
    other.of("#callBtn").click()
    page.of(".b-nav__answer").click()
    other.shows("#callStatus", "ESTABLISHED")
    for each in (page, other):
        each.hears()
    page.of(".b-nav__cancel_call").click()
    other.shows("#callStatus", "FINISH")
    other.of("#connectBtn").click()


@pytest.fixture
def backend(server: ServerProcess) -> Iterator[ScriptedBackend]:
    """A backend of the application for pages without passwords."""
    with backend_thread() as backend:
        server.operate("add", "app", "clickToCall", "clickToCallApp", backend.url)
        server.operate("add", "app-rest-method", "clickToCallApp", "-a")
        yield backend
        server.operate("remove", "app", "clickToCallApp")


def test_a_backend_gives_the_account_and_decides_who_is_called(
    backend: ScriptedBackend, open_page: OpenPage, phone_page: OpenPhone, sip_port: int, server: ServerProcess
) -> None:
    given = account("3004", sip_port)
    config = app_config(
        connect={"restPolicy": "OVERWRITE", "restOverwrite": ",".join(given)},
        call={"restOnError": "FAIL", "restPolicy": "OVERWRITE", "restOverwrite": "callee"},
    )
    backend.script("connect", rewrite(**given, restClientConfig=config))
    called = registered(phone_page(PHONE_MIN), "3005", sip_port)
    caller = SdkPhone.connect(open_page(), server.ws_url(), appKey="clickToCallApp")
    backend.script("call", deny())
    caller.dials("help")
    caller.told("FAILED")
    backend.script("call", rewrite(callee="3005"))
    caller.dials("help")
    expect(called.of("#incomingCallAlert")).to_be_visible()
    called.of("#hangupBtn").click()
    caller.told("TRYING", "RING", "FINISH")
    assert PASSWORD not in str(caller.page.run("watch.frames.filter((frame) => !frame.sent)"))
    called.of("#connectBtn").click()


def test_firefox_calls_and_is_called(
    open_page: OpenPage, open_firefox_page: OpenPage, sip_port: int, server: ServerProcess
) -> None:
    options = {"domain": "127.0.0.1", "port": str(sip_port), "password": PASSWORD}
    firefox, chromium = (
        SdkPhone.connect(page, server.ws_url(), sipOptions=options | {"login": login})
        for page, login in ((open_firefox_page(), "3006"), (open_page(), "3007"))
    )
    for phone in (firefox, chromium):
        phone.is_registered()
    for caller, callee, number in ((firefox, chromium, "3007"), (chromium, firefox, "3006")):
        caller.dials(number)
        callee.rings()
        callee.answers()
        caller.told("TRYING", "RING", "ESTABLISHED")
        callee.told("RING", "ESTABLISHED")
        for phone in (caller, callee):
            phone.hears()
        callee.does("hangup")
        caller.told("TRYING", "RING", "ESTABLISHED", "FINISH")


def test_what_a_called_page_says_is_a_stream_that_another_page_hears(
    open_page: OpenPage, sip_port: int, server: ServerProcess
) -> None:
    account = {"domain": "127.0.0.1", "port": str(sip_port), "password": PASSWORD, "login": "3008"}
    called = SdkPhone.connect(open_page(), server.ws_url(), sipOptions=account)
    called.is_registered()
    caller = {"sipLogin": "3009", "sipDomain": "127.0.0.1", "sipPort": str(sip_port), "sipPassword": PASSWORD}
    order = {"callId": "of-nobody", "callee": "3008", "toStream": "line", **caller}
    assert server.post("/call/startup", order).is_success
    called.rings()
    called.answers()
    called.told("RING", "ESTABLISHED")
    hearer = open_page()
    hearer.connect(server.ws_url())
    stream = hearer.play("line", constraints={"audio": True, "video": False})
    stream.wait_for("PLAYING")
    stream.wait_for_growth(audioPackets=20, audioEnergy=1e-9)
    called.does("hangup")
    called.told("RING", "ESTABLISHED", "FINISH")
    stream.wait_for_end()
