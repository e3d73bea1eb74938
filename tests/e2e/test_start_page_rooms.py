"""Rooms on the start page: a tab in which one meets others, and the table of rooms."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.support.browsers.start_page import OpenStartPage, start_pages
from tests.support.servers.server_process import ServerProcess


@pytest.fixture
def start_page(browser: Browser, server: ServerProcess) -> Iterator[OpenStartPage]:
    with start_pages(browser, server) as open_one:
        yield open_one


def test_two_pages_join_see_each_other_and_chat(start_page: OpenStartPage) -> None:
    page, other = start_page(), start_page()
    ann, ben = page.show_room_tab(), other.show_room_tab()
    ann.join("lobby", "ann")
    expect(ann.region.locator("#present")).to_have_text("Nobody else is here yet")
    ben.join("lobby", "ben")
    ann.sees("ben")
    ben.sees("ann")
    expect(ann.region.locator("#present")).to_have_text("1 other here")
    expect(ann.words).to_contain_text("others see you")
    ann.say("Grüße, <b>Ben</b>")
    expect(ben.chat_lines).to_have_text(["ann Grüße, <b>Ben</b>"])
    ben.say("Seen \u202e: https://a.example/?id=5")
    seen = r"ben Seen \u202e: https://a.example/?id=5"
    expect(ann.chat_lines).to_have_text(["ben has joined.", "You Grüße, <b>Ben</b>", seen])

    row = page.rooms.first
    expect(row.locator("[data-label=Members]")).to_have_text("2: ann, ben")
    expect(row.locator("[data-label=Streams]")).to_have_text("2")
    ben.leave()
    page.show_room_tab()
    expect(ann.tile("ben")).to_have_count(0)
    expect(ann.chat_lines.last).to_have_text("ben has left.")
    page.show("rooms")
    expect(row.locator("[data-label=Members]")).to_have_text("1: ann")


def test_one_joins_from_the_table_only_to_watch_and_the_room_is_ended(start_page: OpenStartPage) -> None:
    page, other = start_page(), start_page()
    ann, ben = page.show_room_tab(), other.show_room_tab()
    ann.join("lobby", "ann", "Only watch")
    ben.region.get_by_label("Your name").fill("ben")
    other.rooms.get_by_role("button", name="Join room lobby").click()
    expect(ann.tile("ben").locator("video")).to_be_visible()
    expect(ben.tile("ann")).to_contain_text("No video")
    ann.sees("ben")

    page.rooms.get_by_role("button", name="End room lobby").click()
    page.answer("End room")
    ben.wait_for("FAILED", "Stopped by rest /terminate.")
    page.show_room_tab()
    ann.say("Anybody?")
    expect(ann.words).to_contain_text("You are in the room.")
    expect(page.rooms).to_have_count(0)


def test_a_room_that_refuses_says_why(start_page: OpenStartPage, server: ServerProcess) -> None:
    page, other = start_page(), start_page()
    ann, ben = page.show_room_tab(), other.show_room_tab()
    ann.join("lobby", "ann", "Only watch")
    ben.join("lobby", "ben", "Only watch")
    assert server.post("/room/kick", {"name": "lobby", "login": "ben"}).status_code == 200
    expect(ann.chat_lines.last).to_have_text("ben has left.")
    ben.say("Hello?")
    expect(ben.chat_lines.last).to_have_text("Not sent to everybody: Kicked from room.")
    ben.leave()
    ben.region.get_by_role("button", name="Join").click()
    ben.wait_for("FAILED", "Kicked from room.")


def test_the_tabs_and_the_room_are_used_by_the_keyboard(start_page: OpenStartPage) -> None:
    page = start_page()
    keyboard = page.page.keyboard
    page.tab_to(page.page.get_by_role("tab", name="Streams"))
    keyboard.press("End")
    expect(page.page.get_by_role("tab", name="Try it")).to_be_focused()
    page.tab_to(page.page.get_by_role("tab", name="Publish and play"))
    keyboard.press("ArrowRight")
    expect(page.page.get_by_role("tab", name="Room", exact=True)).to_be_focused()
    region = page.page.get_by_role("region", name="Meet in a room")
    expect(region).to_be_visible()
    expect(page.page.locator("#publish")).to_be_hidden()
    page.tab_to(region.get_by_label("Your name"))
    keyboard.type("ann")
    page.tab_to(region.get_by_label("Camera", exact=True))
    keyboard.press("ArrowLeft")
    expect(region.get_by_label("Only watch")).to_be_checked()
    keyboard.press("Enter")
    page.tab_to(region.get_by_label("Message"))
    keyboard.type("hello")
    keyboard.press("Enter")
    expect(region.get_by_role("log")).to_contain_text("You hello")
    page.tab_to(page.page.get_by_role("tab", name="Room", exact=True))
    keyboard.press("Home")
    expect(page.page.locator("#publish")).to_be_visible()


@pytest.mark.parametrize("width", [320, 1280])
def test_nothing_of_the_room_is_wider_than_the_screen(start_page: OpenStartPage, width: int) -> None:
    page, other = start_page(viewport={"width": width, "height": 800}), start_page()
    long = "averyveryverylongword" * 5
    room = page.show_room_tab()
    room.join(long, "ann " + long)
    other.show_room_tab().join(long, "ben " + long, "Only watch")
    room.say(long)
    expect(room.chat_lines.last).to_contain_text(long)
    expect(page.rooms.locator("[data-label=Members]")).to_contain_text("ben")
    assert page.page.evaluate("document.documentElement.scrollWidth") <= width
