"""The start page as a console: tabs, details, keys and alarms; that everybody can use it, and how little it touches."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Locator, Page, Request, Route, expect

from tests.support.browsers.start_page import OpenStartPage, StartPage, start_pages
from tests.support.masked_texts import MASKED_TEXTS
from tests.support.servers.server_process import ServerProcess, running_server

AXE = Path(__file__).parent / "node_modules/axe-core/axe.min.js"
TABS = ("streams", "sessions", "rooms", "hooks", "apps", "events", "settings", "try")
FAKE = 2000
ROWS = 60


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server with an application whose backend is down."""
    with running_server(tmp_path_factory.mktemp("server")) as server:
        server.operate("add", "app", "Shop", "shop", "http://127.0.0.1:9/hooks")
        server.operate("add", "app-rest-method", "shop", "connect")
        yield server


@pytest.fixture
def start_page(browser: Browser, server: ServerProcess) -> Iterator[OpenStartPage]:
    with start_pages(browser, server) as open_one:
        yield open_one


def publish_for_shop(page: StartPage, name: str) -> None:
    """Publish with custom data; the backend cannot be reached, so the session is refused."""
    panel = page.publisher.region
    panel.get_by_text("Application and custom data").click()
    panel.get_by_label("App key").fill("shop")
    panel.get_by_label("Custom data").fill('{"token": "s3cret"}')
    page.publisher.start(name)
    page.publisher.wait_for("FAILED", "The server refuses the session")


# -- for everybody -----------------------------------------------------------------------------------------------------


SHOW_EVERYTHING = """() => {
  for (const part of document.querySelectorAll("[role=tab], [role=tabpanel]")) part.hidden = false;
  for (const dialog of document.querySelectorAll("#details, #app, #help")) dialog.open = true;
  const below = new CSSStyleSheet();
  below.replaceSync("dialog { position: static }");
  document.adoptedStyleSheets.push(below);
}"""
"""All tabs and dialogs one below the other: one look at them finds as much as one at each, which would take three times
as long, since each is a look at all that they have in common."""


def violations(page: Page, **options: Any) -> list[str]:
    """What axe finds wrong, in a line each."""
    found = page.evaluate("(options) => axe.run(document, {resultTypes: ['violations'], ...options})", options)
    return [f"{each['id']}: {node['html'][:200]}" for each in found["violations"] for node in each["nodes"]]


def test_nothing_of_it_keeps_anybody_out(start_page: OpenStartPage) -> None:
    busy = start_page()
    publish_for_shop(busy, "sale")
    busy.publisher.region.get_by_label("App key").fill("defaultApp")
    busy.publisher.run("news", "PUBLISHING")
    busy.player.run("news", "PLAYING")
    page = start_page()
    page.page.evaluate(AXE.read_text())
    page.page.get_by_text("The last two minutes as a table").click()
    fill_tabs_and_dialogs(page)
    busy.page.context.close()  # which leaves the processors to the rest; the last tab shows no streams that go
    page.page.evaluate(SHOW_EVERYTHING)
    for part in (*(f"{tab}-panel" for tab in TABS), "media-panel", "room-panel", "details", "app", "help"):
        expect(page.page.locator(f"#{part}")).to_be_visible()
    for table in ("streams", "sessions", "hooks", "apps", "settings", "details-players"):
        expect(page.page.locator(f"#{table} tbody tr").first).to_be_visible()
    for width in (1280, 390):
        page.page.set_viewport_size({"width": width, "height": 800})
        page.page.emulate_media(color_scheme="light")
        assert (width, violations(page.page)) == (width, [])
        page.page.emulate_media(color_scheme="dark")  # which changes colours alone
        assert (width, violations(page.page, runOnly=["color-contrast"])) == (width, [])
        assert page.page.evaluate("document.documentElement.scrollWidth") <= width
    busy.errors[:] = [error for error in busy.errors if "WebSocket" not in error]


def fill_tabs_and_dialogs(page: StartPage) -> None:
    """Have each of them show something."""
    page.streams.first.locator(".name").click()
    expect(page.page.locator("#details-players tbody tr")).to_have_count(1)
    page.page.get_by_role("button", name="Close").click()
    for tab in TABS:
        page.show(tab)
        expect(page.page.locator(f"#{tab}-panel")).to_be_visible()
        if tab in ("streams", "sessions", "hooks", "apps", "settings"):
            expect(page.page.locator(f"#{tab} tbody tr").first).to_be_visible()
        if tab == "apps":
            page.page.get_by_role("button", name="Edit Shop", exact=True).click()
            page.page.get_by_role("button", name="Cancel").click()
        if tab == "settings":
            page.page.get_by_label("Search").fill("http.")  # all of them would take long, and show nothing else
            expect(page.page.locator("#settings-note")).to_contain_text("found")


# -- pictures of streams ---------------------------------------------------------------------------------------------


def test_the_row_that_is_pointed_at_or_focused_shows_a_picture_of_its_stream(start_page: OpenStartPage) -> None:
    busy = start_page()
    busy.publisher.run("news", "PUBLISHING")
    page = start_page()
    under_way: list[str] = []
    most: list[int] = []

    def is_picture(request: Request) -> bool:
        return "/page/picture" in request.url

    def began(request: Request) -> None:
        if is_picture(request):
            under_way.append(request.url)
            most.append(len(under_way))

    def ended(request: Request) -> None:
        if is_picture(request):
            under_way.remove(request.url)

    page.page.on("request", began)
    page.page.on("requestfinished", ended)
    page.page.on("requestfailed", ended)
    picture, image = page.page.locator("#thumbnail"), page.page.locator("#thumbnail-image")
    row = page.stream("news", "publish")
    row.hover(position={"x": 3, "y": 3})
    expect(image).to_have_attribute("src", re.compile("^data:image/jpeg;base64,/9j/"))
    expect(picture).to_be_visible()
    expect(page.page.locator("#thumbnail-name")).to_have_text("news")
    page.page.wait_for_function("thumbnail.querySelector('img').naturalWidth > 0")  # it is decoded after it was set
    page.page.mouse.move(2, 2)
    expect(picture).to_be_hidden()
    page.page.keyboard.press("j")
    expect(picture).to_be_visible()
    page.page.keyboard.press("Escape")
    expect(picture).to_be_hidden()
    asked = len(most)
    page.show("sessions")
    assert max(most) == 1, "never more than one at a time"
    assert len(most) == asked, "none where none is shown"


# -- how little it touches ---------------------------------------------------------------------------------------------

COUNT_WORK = """() => {
  globalThis.work = {rows: new Set(), added: 0, other: 0};
  new MutationObserver((changes) => {
    for (const {target, addedNodes} of changes) {
      const row = (target.nodeType === 1 ? target : target.parentElement)?.closest("#streams tbody tr");
      if (row) work.rows.add(row);
      else work.other += 1;
      work.added += [...addedNodes].filter((node) => node.tagName === "TR").length;
    }
  }).observe(document.getElementById("streams-panel"), {
    subtree: true, childList: true, attributes: true, characterData: true,
  });
}"""


ALL_TOUCHED = """() => new Promise((resolve) => {
  const look = () => (work.rows.size < 60 ? setTimeout(look, 50) : resolve());
  look();
})"""


def fake_streams(page: Page) -> list[dict[str, list[str]]]:
    """Let the server have very many streams, all of which change each second. The queries that come."""
    asked: list[dict[str, list[str]]] = []

    def row(number: int) -> dict[str, Any]:
        return {
            "name": f"stream {number}", "mediaSessionId": f"id-{number}", "sessionId": "s", "appKey": "defaultApp",
            "direction": "publish", "status": "PUBLISHING", "audioCodec": "OPUS", "videoCodec": "VP8", "width": 640,
            "height": 480, "bitrate": 500 + len(asked), "packets": 1000 * len(asked), "lost": 0, "rtt": 10,
            "viewers": 1, "roomName": None, "age": len(asked),
        }  # fmt: skip

    def answer(route: Route) -> None:
        query = parse_qs(urlsplit(route.request.url).query)
        asked.append(query)
        state = route.fetch().json()
        first, limit = int(query.get("offset", ["0"])[0]), int(query["limit"][0])
        shown = range(FAKE)[:: -1 if query.get("sort", [""])[0].startswith("-") else 1][first : first + limit]
        counts = {"streams": FAKE, "sessions": 1, "rooms": 0}
        state |= {"totals": counts, "matching": counts, "streams": [row(number) for number in shown]}
        route.fulfill(json=state)

    page.route("**/page/state?*", answer)
    return asked


def test_a_refresh_touches_sixty_rows_of_two_thousand(browser: Browser, server: ServerProcess) -> None:
    with browser.new_context() as context:
        page = StartPage(context.new_page(), server.http_url())
        asked = fake_streams(page.page)
        page.open()
        expect(page.streams).to_have_count(ROWS)
        expect(page.page.locator("#streams-count")).to_have_text("2,000")
        page.page.evaluate(COUNT_WORK)
        before = len(asked)
        page.page.evaluate(ALL_TOUCHED)
        work = page.page.evaluate("({rows: work.rows.size, added: work.added, other: work.other})")
        assert work == {"rows": ROWS, "added": 0, "other": 0}
        assert len(asked) > before
        assert page.page.locator("#streams svg").count() == ROWS

        pager = page.page.get_by_role("navigation", name="Pages of streams")
        expect(pager).to_contain_text("Page 1 of 34")
        pager.get_by_role("button", name="Next").click()
        expect(page.streams.locator(".name").first).to_have_text("stream 60")
        page.page.locator("#streams").get_by_role("button", name="Viewers").click()
        expect(page.streams.locator(".name").first).to_have_text("stream 0")
        page.page.locator("#streams").get_by_role("button", name="Viewers").click()
        expect(page.streams.locator(".name").first).to_have_text("stream 1999")
        expect(page.streams).to_have_count(ROWS)
        with page.page.expect_response("**/page/state?*sort=loss*") as sorted_by_loss:
            page.page.locator("#streams").get_by_role("button", name="Loss").click()
        assert sorted_by_loss.value.ok
        assert all(query["limit"] == [str(ROWS)] for query in asked)
        page.page.unroute_all(behavior="wait")


# -- what it shows -----------------------------------------------------------------------------------------------------


def test_keys_lead_to_the_details_of_a_stream_and_end_it(start_page: OpenStartPage) -> None:
    busy, page = start_page(permissions=["clipboard-read", "clipboard-write"]), start_page()
    busy.publisher.run("news", "PUBLISHING")
    page.player.run("news", "PLAYING")
    keyboard = page.page.keyboard
    expect(page.streams).to_have_count(2)
    for key, place in (("j", 0), ("j", 1), ("k", 0)):
        keyboard.press(key)
        expect(page.streams.nth(place)).to_be_focused()
    keyboard.press("Enter")
    check_details(page.page.locator("#details"))
    keyboard.press("Escape")
    expect(page.page.locator("#details")).to_be_hidden()
    expect(page.streams.nth(0)).to_be_focused()
    keyboard.press("j")
    keyboard.press("Enter")
    expect(page.page.locator("#details-facts")).to_contain_text("PLAYING (play)")
    expect(page.page.locator("#details-statuses li").last).to_contain_text("PLAYING")
    keyboard.press("Escape")

    turn_keys(page, on=False)
    page.streams.nth(0).focus()
    keyboard.press("t")
    keyboard.press("j")
    expect(page.streams.nth(0)).to_be_focused()
    turn_keys(page, on=True)
    page.streams.nth(0).focus()
    keyboard.press("t")
    expect(page.question).to_contain_text("1 player would be disconnected.")
    page.answer("Terminate 1 stream")
    busy.publisher.wait_for("FAILED", "Stopped by rest /terminate.")

    keyboard.press("/")
    keyboard.type("t?")
    expect(page.page.get_by_label("Search")).to_have_value("t?")
    busy.page.locator("[data-copy=embed]").click()
    expect(busy.notice).to_have_text("Copied.")
    assert busy.page.evaluate("navigator.clipboard.readText()") == busy.page.locator("#embed").inner_text()


def check_details(details: Locator) -> None:
    expect(details.get_by_role("heading", name="news")).to_be_visible()
    expect(details.locator("#details-statuses li")).to_contain_text(["PUBLISHING"])
    expect(details.locator("#details-statuses time").first).to_have_text(re.compile(r"^\d\d:\d\d:\d\d\.\d{3}$"))
    expect(details.locator("#details-facts")).to_contain_text("127.0.0.1:")
    expect(details.locator("#details-facts")).to_contain_text("VP8 + OPUS")
    expect(details.locator("#details-players tbody tr")).to_have_count(1)
    expect(details.get_by_role("img", name=re.compile("^Bitrate since"))).to_be_visible()
    curl = details.locator("#details-curl").inner_text()
    assert re.fullmatch(r"curl -H .* -d '\{\"mediaSessionId\":\"[\w-]+\"\}' http.*/rest-api/stream/terminate", curl)


def turn_keys(page: StartPage, *, on: bool) -> None:
    page.page.get_by_role("button", name="Help").click()
    page.page.get_by_label("Keys of one character work").set_checked(on)
    page.page.get_by_role("button", name="Close").click()


def test_events_hold_while_paused_and_custom_data_are_sent_and_not_shown(start_page: OpenStartPage) -> None:
    page, other = start_page(), start_page()
    sent: list[str | bytes] = []

    def note(frame: str | bytes) -> None:
        sent.append(frame)

    other.page.on("websocket", lambda socket: socket.on("framesent", note))
    page.show("events")
    expect(page.page.locator("#events-state")).to_have_text("Listening.")
    publish_for_shop(other, "sale")
    assert any("s3cret" in str(frame) for frame in sent)
    refused = page.page.locator("#events li").filter(has_text="session.refused")
    expect(refused).to_contain_text("appKey shop")

    page.page.get_by_role("button", name="Pause").click()
    other.publisher.region.get_by_label("Custom data").fill("{")
    other.publisher.start("sale")
    other.publisher.wait_for("FAILED", "“Custom data” must be JSON")
    other.publisher.region.get_by_label("Custom data").fill("")
    other.publisher.start("sale")
    other.publisher.wait_for("FAILED", "The server refuses the session")
    expect(page.page.locator("#events-state")).to_have_text(re.compile("Paused. [1-9][0-9]* waiting."))
    expect(refused).to_have_count(1)
    page.page.get_by_role("button", name="Pause").click()
    expect(refused).to_have_count(2)
    other.publisher.start("sale")  # fewer than three failed calls are no alarm
    expect(refused).to_have_count(3)
    check_records(page)


def check_records(page: StartPage) -> None:
    """The tabs of hooks, applications and settings."""
    page.show("hooks")
    expect(page.page.locator("#hooks tbody tr").first).to_contain_text("unreachable")
    page.page.locator("#hooks-which").select_option("failed")
    expect(page.page.locator("#hooks tbody tr").first).to_contain_text("connect")
    assert "s3cret" not in page.page.content()

    page.show("apps")
    row = page.page.locator("#apps tbody tr").filter(has_text="Shop")
    expect(row.locator("code").nth(1)).to_have_text("wcs test app Shop")

    page.show("settings")
    page.page.get_by_label("Search").fill("http.port")
    port = page.page.locator("code").get_by_text("http.port", exact=True)
    expect(page.page.locator("#settings tbody tr").filter(has=port)).to_contain_text("--set")
    expect(page.page.get_by_role("alert").filter(has_text="Hook calls are failing")).to_be_visible()


def test_an_alarm_stays_in_sight_and_many_streams_are_ended_by_their_number(start_page: OpenStartPage) -> None:
    page = start_page(viewport={"width": 1280, "height": 400})
    alarms = {"uptime": 1, "samples": [], "alarms": [{"kind": "certificate", "text": "The certificate has expired."}]}
    page.page.route("**/page/overview", lambda route: route.fulfill(json=alarms))
    alarm = page.page.get_by_role("alert").filter(has_text="The certificate has expired.")
    expect(alarm).to_be_visible()
    page.filter_form.scroll_into_view_if_needed()
    page.page.evaluate("scrollTo(0, document.body.scrollHeight)")
    box = alarm.bounding_box()
    assert box is not None
    assert box["y"] == 0

    many = [
        {"name": f"s{number}", "mediaSessionId": f"m{number}", "status": "PUBLISHING", "published": True, "cascade": 0}
        for number in range(37)
    ]
    page.page.route("**/stream/terminate?dry_run=true", lambda route: route.fulfill(body=json.dumps(many)))
    page.show_matches(published="true")
    act = page.question.get_by_role("button", name="Terminate 37 streams")
    expect(act).to_be_disabled()
    page.question.get_by_label("Type 37 to confirm").fill("36")
    expect(act).to_be_disabled()
    page.question.get_by_label("Type 37 to confirm").fill("37")
    expect(act).to_be_enabled()
    page.answer("Cancel")
    page.page.unroute_all(behavior="wait")


def test_events_are_read_however_they_are_cut(start_page: OpenStartPage) -> None:
    parse = """async (pieces) => {
      const {eventParser} = await import("/tabs/events.js");
      const parse = eventParser();
      return pieces.flatMap(parse);
    }"""
    text = 'retry: 3000\n\nid: b-1\nevent: stream.status\ndata: {"name":"a: b"}\n\n: alive\nid: b-2\n\nid: b-3\n'
    page = start_page()
    for size in (1, 7, len(text)):
        pieces = [text[start : start + size] for start in range(0, len(text), size)]
        assert page.page.evaluate(parse, pieces) == [
            {"id": "b-1", "type": "stream.status", "data": '{"name":"a: b"}'},
            {"id": "b-2", "type": "message", "data": ""},
        ]


def test_names_that_are_uris_are_masked_as_everywhere(start_page: OpenStartPage) -> None:
    mask = "async (texts) => texts.map((await import(new URL('base/masking.js', document.baseURI))).masked)"
    texts = [text for text, _ in MASKED_TEXTS]
    assert start_page().page.evaluate(mask, texts) == [shown for _, shown in MASKED_TEXTS]
