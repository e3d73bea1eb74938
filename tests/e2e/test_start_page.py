"""The start page: an operator publishes, plays and watches with nothing but a browser."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Route, expect

from tests.support.browsers.start_page import OpenStartPage, StartPage, start_pages
from tests.support.network.ports import unused_port
from tests.support.servers.server_process import ServerProcess, running_server


@pytest.fixture
def start_page(browser: Browser, server: ServerProcess) -> Iterator[OpenStartPage]:
    with start_pages(browser, server) as open_one:
        yield open_one


# -- what it shows -------------------------------------------------------------------------------------------------


def test_a_new_server_says_where_it_is_and_what_to_do(start_page: OpenStartPage, server: ServerProcess) -> None:
    page = start_page()

    expect(page.page.locator("#ws")).to_have_text(server.ws_url())
    expect(page.page.locator("#wss")).to_have_text(server.wss_url())
    expect(page.page.locator("#embed")).to_have_text(f'Flashphoner.createSession({{urlServer: "{server.ws_url()}"}})')
    expect(page.page.locator("#whip")).to_have_text(server.http_url("/whip/room1"))
    page.show("try")
    page.page.locator("#publish input[name=name]").fill("caf\u00e9 1")
    expect(page.page.locator("#whip")).to_have_text(server.http_url("/whip/caf%C3%A9%201"))
    page.show("streams")
    expect(page.page.get_by_text("No streams now. Publish one under “Try it”")).to_be_visible()
    page.show("sessions")
    expect(page.page.get_by_text("No sessions now.")).to_be_visible()


def test_the_camera_is_published_and_played(start_page: OpenStartPage) -> None:
    page = start_page()
    page.publisher.run("news", "PUBLISHING")
    page.player.run("news", "PLAYING")

    for panel in (page.player, page.publisher):
        panel.wait_for_motion()
        panel.wait_for_size(640, 480)

    row = page.stream("news", "publish")
    for text in ("PUBLISHING", "VP8 + OPUS", "640\N{MULTIPLICATION SIGN}480", "kbit/s"):
        expect(row).to_contain_text(text)
    expect(row.locator("[data-label=Viewers]")).to_have_text("1")
    expect(page.stream("news", "play")).to_contain_text("PLAYING")
    expect(page.sessions).to_have_count(2)
    expect(page.publisher.region.locator(".figures")).to_contain_text("VP8 + OPUS")
    expect(page.player.words).to_contain_text("Muted here, because this page publishes it.")

    page.player.stop_button.click()
    page.player.wait_for("STOPPED", "Stopped by user.")
    page.show("streams")
    expect(row.locator("[data-label=Viewers]")).to_have_text("0")
    page.publisher.stop_button.click()
    page.publisher.wait_for("UNPUBLISHED", "Stopped by user.")
    expect(page.streams).to_have_count(0)
    expect(page.sessions).to_have_count(0)


def test_the_screen_is_published_without_sound(start_page: OpenStartPage) -> None:
    page, other = start_page(), start_page()
    page.publisher.region.get_by_label("Screen").check()
    page.publisher.region.get_by_label("With sound").uncheck()
    page.publisher.run("desk", "PUBLISHING")

    other.stream("desk", "publish").get_by_role("button", name="Watch desk").click()

    other.player.wait_for("PLAYING")
    other.player.wait_for_motion()
    expect(other.player.name).to_have_value("desk")
    expect(other.stream("desk", "publish").locator(".codecs")).to_have_text("VP8")


def test_what_fails_is_said_in_words(start_page: OpenStartPage) -> None:
    page, other = start_page(), start_page()
    page.publisher.run("news", "PUBLISHING")

    other.publisher.start("news")
    other.publisher.wait_for("FAILED", "Stream name is already in use. Choose another name")
    other.player.start("olds")
    other.player.wait_for("FAILED", "Session does not exist. Nobody publishes a stream of this name.")

    page.publisher.wait_for("PUBLISHING")
    other.player.run("news", "PLAYING")


def test_a_stream_can_be_stopped_before_it_is_on(start_page: OpenStartPage) -> None:
    page = start_page()
    page.publisher.start("news")
    page.publisher.stop_button.click()
    expect(page.publisher.start_button).to_be_enabled()

    page.publisher.run("news", "PUBLISHING")


def test_who_is_quicker_than_the_first_answer_publishes_all_the_same(start_page: OpenStartPage) -> None:
    page = start_page()
    page.page.goto("about:blank")
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.page.route("**/page/state?*", hold, times=1)
    page.page.goto(f"{page.address}#try")
    page.until(lambda: bool(held))
    page.page.locator("#publish .run > button").click()
    expect(page.page.locator("#publish .words")).to_have_text("Connecting to the server.")
    held[0].continue_()

    page.publisher.wait_for("PUBLISHING")


def test_a_stream_outlives_the_time_limit_of_connecting(start_page: OpenStartPage, server: ServerProcess) -> None:
    page = start_page()
    page.page.clock.install()
    page.publisher.run("news", "PUBLISHING")

    page.page.clock.fast_forward(60_000)

    page.player.run("news", "PLAYING")
    page.player.wait_for_motion()
    page.publisher.wait_for("PUBLISHING")


def test_a_session_that_does_not_open_says_why(start_page: OpenStartPage, server: ServerProcess) -> None:
    page = start_page()
    connect = """async ([url, appKey]) => {
      const {connect} = await import("/wcs.js");
      return connect(url, {appKey}).catch((error) => error.message);
    }"""

    refused = page.page.evaluate(connect, [server.ws_url(), "nobody's app"])
    untrusted = page.page.evaluate(connect, [server.wss_url(), "defaultApp"])

    assert refused.startswith("The server refuses the session: ")
    assert untrusted.startswith(f"No connection to {server.wss_url()}. If its certificate is self-signed")
    assert len(page.errors) == 1  # the browser's own line about the certificate
    page.errors.clear()


def test_names_of_strangers_are_only_text_and_nothing_in_them_is_unseen(start_page: OpenStartPage) -> None:
    name = "<img src=x onerror=alert(1)> \u202eevil\x07"
    shown = r"<img src=x onerror=alert(1)> \u202eevil\u0007"
    page = start_page()
    page.publisher.run(name, "PUBLISHING")

    page.stream(shown, "publish").get_by_role("button", name="Terminate").click()

    expect(page.question).to_contain_text(f"Terminate “{shown}”?")
    page.answer("Cancel")


# -- the living table ----------------------------------------------------------------------------------------------


def test_refreshing_keeps_focus_and_selection(start_page: OpenStartPage) -> None:
    page = start_page()
    page.publisher.run("news", "PUBLISHING")
    row = page.stream("news", "publish")
    watch = row.get_by_role("button", name="Watch news")
    watch.focus()
    row.locator("code").select_text()
    selected = page.page.evaluate("String(getSelection())")
    age = row.locator("[data-label=Age]")
    for _ in range(2):
        before = age.inner_text()
        expect(age).not_to_have_text(before)

    expect(watch).to_be_focused()
    assert page.page.evaluate("String(getSelection())") == selected == row.locator("code").inner_text()


def test_a_new_order_keeps_the_focus(start_page: OpenStartPage) -> None:
    page, other = start_page(), start_page()
    page.publisher.run("b", "PUBLISHING")
    other.publisher.run("a", "PUBLISHING")
    names = page.streams.locator(".name")
    expect(names).to_have_text(["b", "a"])
    by_name = page.page.locator("#streams").get_by_role("button", name="Name")

    by_name.click()
    expect(names).to_have_text(["a", "b"])
    expect(page.page.locator("#streams").get_by_role("columnheader", name="Name")).to_have_attribute(
        "aria-sort", "ascending"
    )
    by_name.click()
    expect(names).to_have_text(["b", "a"])
    page.stream("b", "publish").get_by_role("button", name="Terminate").focus()
    page.page.locator("#publish .run > button").evaluate("(button) => button.click()")

    expect(names).to_have_text(["a"])
    expect(page.stream("a", "publish").get_by_role("button", name="Terminate")).to_be_focused()


def test_a_search_narrows_both_tables(start_page: OpenStartPage) -> None:
    page, other = start_page(), start_page()
    page.publisher.run("morning news", "PUBLISHING")
    other.publisher.run("chat", "PUBLISHING")
    expect(page.streams).to_have_count(2)

    page.page.get_by_label("Search").fill("NEWS")
    expect(page.streams).to_have_count(1)
    expect(page.page.locator("#streams-note")).to_have_text("1 of 2 streams found.")
    page.show("sessions")
    expect(page.page.locator("#sessions-note")).to_have_text("None of the 2 sessions holds “NEWS”.")

    page.page.get_by_label("Search").fill("")
    expect(page.streams).to_have_count(2)


def test_a_hidden_page_asks_nothing(start_page: OpenStartPage) -> None:
    page = start_page()
    page.page.clock.install()
    asked: list[str] = []
    set_hidden = """(hidden) => {
      Object.defineProperty(document, "hidden", {value: hidden, configurable: true});
      document.dispatchEvent(new Event("visibilitychange"));
    }"""

    page.page.evaluate(set_hidden, True)
    page.page.on("request", lambda request: asked.append(request.url))
    page.page.clock.run_for(30_000)
    assert asked == []
    with page.page.expect_request("**/page/state?*"):
        page.page.evaluate(set_hidden, False)


def test_a_server_that_is_gone_and_comes_back(browser: Browser, tmp_path: Path) -> None:
    def folder(name: str) -> Path:
        (tmp_path / name).mkdir()
        return tmp_path / name

    with browser.new_context() as context:
        fixed = {"http.port": unused_port()}
        with running_server(folder("first"), fixed) as server:
            page = StartPage(context.new_page(), server.http_url())
            page.open()
            page.publisher.run("news", "PUBLISHING")
            expect(page.streams).to_have_count(1)

        page.publisher.wait_for("FAILED")
        alarm = page.page.get_by_role("alert").filter(has_text="The server cannot be reached.")
        expect(alarm).to_be_visible()
        expect(page.page.locator("#pulse")).to_have_text("No answer")
        page.show_matches(name="news")
        expect(page.filter_result).to_have_text("The server cannot be reached.")
        with running_server(folder("second"), fixed):
            expect(page.page.locator("#pulse")).to_have_text("Live")
            expect(alarm).to_be_hidden()
            expect(page.streams).to_have_count(0)


# -- ways to use it ------------------------------------------------------------------------------------------------


def test_everything_is_done_by_the_keyboard(start_page: OpenStartPage) -> None:
    page = start_page()
    keyboard = page.page.keyboard
    page.tab_to(page.page.get_by_role("tab", name="Streams"))
    keyboard.press("End")
    page.tab_to(page.publisher.name)
    keyboard.press("ControlOrMeta+a")
    keyboard.type("news")
    page.tab_to(page.publisher.region.get_by_label("Camera"))
    keyboard.press("ArrowRight")
    expect(page.publisher.region.get_by_label("Screen")).to_be_checked()
    keyboard.press("ArrowLeft")
    page.tab_to(page.publisher.start_button)
    keyboard.press("Enter")
    page.publisher.wait_for("PUBLISHING")
    expect(page.publisher.stop_button).to_be_focused()

    page.tab_to(page.player.name)
    keyboard.press("ControlOrMeta+a")
    keyboard.type("news")
    keyboard.press("Enter")
    page.player.wait_for("PLAYING")
    page.tab_to(page.page.get_by_role("tab", name="Try it"))
    keyboard.press("Home")
    page.tab_to(page.stream("news", "play").get_by_role("button", name="Terminate"))
    keyboard.press("Space")
    expect(page.question.get_by_role("button", name="Cancel")).to_be_focused()
    page.tab_to(page.question.get_by_role("button", name="Terminate 1 stream"))
    keyboard.press("Enter")
    expect(page.streams).to_have_count(1)
    expect(page.stream("news", "publish").get_by_role("button", name="Terminate")).to_be_focused()
    expect(page.page.locator("#play .words")).to_contain_text("Stopped by rest /terminate.")

    page.tab_to(page.filter_form.get_by_label("Name", exact=True))
    keyboard.type("news")
    keyboard.press("Enter")
    page.tab_to(page.question.get_by_role("button", name="Terminate 1 stream"))
    keyboard.press("Enter")
    expect(page.filter_result).to_have_text("1 stream terminated.")
    expect(page.filter_form.get_by_role("button", name="Show what matches")).to_be_focused()


def test_the_focus_stays_in_the_table_when_a_row_goes_before_the_answer_comes(start_page: OpenStartPage) -> None:
    page = start_page()
    page.publisher.run("news", "PUBLISHING")
    page.player.run("news", "PLAYING")
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.page.route("**/rest-api/stream/terminate", hold)
    page.page.get_by_role("tab", name="Streams").click()
    page.stream("news", "play").get_by_role("button", name="Terminate").press("Enter")
    page.question.get_by_role("button", name="Terminate 1 stream").press("Enter")
    page.until(lambda: bool(held))
    answer = held[0].fetch()
    expect(page.streams).to_have_count(1)

    held[0].fulfill(response=answer)

    expect(page.stream("news", "publish").get_by_role("button", name="Terminate")).to_be_focused()


@pytest.mark.parametrize("width", [320, 390, 800, 1141, 1280])
def test_nothing_is_wider_than_the_screen(start_page: OpenStartPage, width: int) -> None:
    page = start_page(viewport={"width": width, "height": 800})
    page.publisher.run("a name that is long, and has " + "averyveryverylongword" * 5, "PUBLISHING")
    expect(page.streams).to_have_count(1)
    expect(page.sessions).to_have_count(1)

    page.streams.get_by_role("button", name="Terminate").click()
    expect(page.question).to_be_visible()

    assert page.page.evaluate("document.documentElement.scrollWidth") <= width
    box = page.question.bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width
    page.answer("Cancel")


@pytest.mark.parametrize("width", [300, 320, 390, 1280])
def test_a_divider_stands_between_two_choices_or_not_at_all(start_page: OpenStartPage, width: int) -> None:
    page = start_page(viewport={"width": width, "height": 800}, has_touch=True)
    places = page.publisher.region.get_by_role("radiogroup").evaluate(
        """(group) => {
          const [camera, screen, sound] = [...group.children].map((child) => child.getBoundingClientRect());
          const before = getComputedStyle(group.lastElementChild, "::before");
          return {
            follows: sound.top === screen.top,
            divider: sound.left + parseFloat(before.left),
            gap: screen.right,
            edge: group.getBoundingClientRect().left,
            clips: getComputedStyle(group).overflowX,
          };
        }"""
    )
    if places["follows"]:
        assert places["gap"] < places["divider"]
    else:
        assert places["divider"] < places["edge"]
        assert places["clips"] == "clip"


def test_a_page_from_https_uses_the_secure_socket(start_page: OpenStartPage, server: ServerProcess) -> None:
    page = start_page(address=server.https_url(), ignore_https_errors=True)

    expect(page.page.locator("#embed")).to_contain_text(server.wss_url())
    page.publisher.run("news", "PUBLISHING")
