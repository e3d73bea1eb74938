"""The start page: an operator ends streams and sessions, by row and by filter, and always sees first what falls."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.support.browsers.start_page import OpenStartPage, StartPage, start_pages
from tests.support.servers.server_process import ServerProcess, running_server

SETTINGS = {"rest.terminate_all": "deny"}


@pytest.fixture
def start_page(browser: Browser, server: ServerProcess) -> Iterator[OpenStartPage]:
    with start_pages(browser, server) as open_one:
        yield open_one


def test_a_row_is_terminated_after_a_question(start_page: OpenStartPage) -> None:
    page, other = start_page(), start_page()
    page.publisher.run("news", "PUBLISHING")
    other.publisher.run("chat", "PUBLISHING")
    other.player.run("news", "PLAYING")
    terminate = page.stream("news", "publish").get_by_role("button", name="Terminate publish news")

    terminate.click()
    expect(page.question).to_contain_text("1 player would be disconnected.")
    page.page.keyboard.press("Escape")
    expect(page.question).to_be_hidden()
    expect(terminate).to_be_focused()
    expect(page.streams).to_have_count(3)
    terminate.click()
    page.answer("Terminate 1 stream")

    expect(page.notice).to_have_text("1 stream terminated.")
    page.publisher.wait_for("FAILED", "Stopped by rest /terminate.")
    other.player.wait_for("FAILED", "Stopped by publisher stop.")
    expect(page.streams).to_have_count(1)
    other.publisher.wait_for("PUBLISHING")
    page.publisher.run("news", "PUBLISHING")


def test_a_player_is_terminated_and_its_publisher_goes_on(start_page: OpenStartPage) -> None:
    page = start_page()
    page.publisher.run("news", "PUBLISHING")
    page.player.run("news", "PLAYING")

    page.stream("news", "play").get_by_role("button", name="Terminate").click()
    expect(page.question).to_contain_text("Its publisher keeps running.")
    page.answer("Terminate 1 stream")

    page.player.wait_for("FAILED", "Stopped by rest /terminate.")
    page.publisher.wait_for("PUBLISHING")


def test_a_session_is_disconnected(start_page: OpenStartPage) -> None:
    page = start_page()
    page.publisher.run("news", "PUBLISHING")

    page.sessions.get_by_role("button", name="Disconnect").click()
    expect(page.question).to_contain_text("It has 1 stream.")
    page.answer("Disconnect")

    expect(page.notice).to_have_text("Session disconnected.")
    page.publisher.wait_for("FAILED")
    expect(page.sessions).to_have_count(0)


def test_a_filter_shows_what_matches_before_it_acts(start_page: OpenStartPage) -> None:
    page, other = start_page(), start_page()
    page.publisher.run("news", "PUBLISHING")
    page.player.run("news", "PLAYING")
    other.player.run("news", "PLAYING")
    other.publisher.run("chat", "PUBLISHING")

    page.show_matches(name="news", published="true", status="PUBLISHING")
    expect(page.page.locator("#filter-body")).to_have_text('{"name":"news","published":true,"status":"PUBLISHING"}')
    expect(page.question).to_contain_text("Terminate this stream?")
    expect(page.question).to_contain_text("2 players would be disconnected.")
    expect(page.question.get_by_role("listitem")).to_have_count(1)
    page.answer("Cancel")
    expect(page.filter_result).to_have_text("1 stream matches. Nothing was terminated.")
    expect(page.streams).to_have_count(4)

    page.show_matches(name="news")
    expect(page.question).to_contain_text("Terminate these 3 streams?")
    expect(page.question).to_contain_text("No players would be disconnected.")
    page.answer("Terminate 3 streams")
    expect(page.filter_result).to_have_text("3 streams terminated.")
    expect(page.streams).to_have_count(1)
    other.publisher.wait_for("PUBLISHING")


def test_ids_are_a_filter(start_page: OpenStartPage) -> None:
    page, other = start_page(), start_page()
    page.publisher.run("one", "PUBLISHING")
    other.publisher.run("two", "PUBLISHING")
    expect(page.streams).to_have_count(2)
    first, second = page.streams.locator("code").all_inner_texts()

    page.show_matches(mediaSessionIds=f"{first}, {second}\n")
    expect(page.page.locator("#filter-body")).to_have_text(f'{{"mediaSessionIds":["{first}","{second}"]}}')
    expect(page.question.get_by_role("listitem")).to_have_count(2)
    page.answer("Cancel")
    page.show_matches(mediaSessionIds=second)
    expect(page.page.locator("#filter-body")).to_have_text(f'{{"mediaSessionId":"{second}"}}')
    page.answer("Terminate 1 stream")

    other.publisher.wait_for("FAILED", "Stopped by rest /terminate.")
    page.publisher.wait_for("PUBLISHING")


def test_a_stream_that_came_after_the_list_was_shown_is_not_stopped(start_page: OpenStartPage) -> None:
    page, other = start_page(), start_page()
    page.publisher.run("one", "PUBLISHING")
    page.show_matches(published="true")
    expect(page.question.get_by_role("listitem")).to_have_count(1)
    other.publisher.run("two", "PUBLISHING")

    page.answer("Terminate 1 stream")

    expect(page.filter_result).to_have_text("1 stream terminated.")
    page.publisher.wait_for("FAILED", "Stopped by rest /terminate.")
    other.publisher.wait_for("PUBLISHING")


def test_a_filter_that_matches_nothing_or_is_refused_says_so(start_page: OpenStartPage) -> None:
    page = start_page()

    page.show_matches(name="nobody")
    expect(page.filter_result).to_have_text("Nothing matches. Nothing was terminated.")
    page.show_matches(mediaSessionIds=" , ")
    expect(page.page.locator("#filter-body")).to_have_text('{"mediaSessionIds":[]}')
    expect(page.filter_result).to_have_text("Nothing matches. Nothing was terminated.")
    page.show_matches()
    expect(page.filter_result).to_contain_text("The server refuses (400)")
    expect(page.filter_result).to_contain_text("rest.terminate_all=deny")

    # The browser itself writes each answer that is an error to the console.
    assert [error.partition("status of ")[2][:3] for error in page.errors] == ["404", "404", "400"]
    page.errors.clear()


def test_without_a_condition_the_question_warns(browser: Browser, tmp_path: Path) -> None:
    with running_server(tmp_path) as server, browser.new_context() as context:
        page = StartPage(context.new_page(), server.http_url())
        page.open()
        page.publisher.run("news", "PUBLISHING")

        page.show_matches()

        expect(page.question).to_contain_text("No condition is set, so these are all streams of this server.")
        page.answer("Terminate 1 stream")
        page.publisher.wait_for("FAILED", "Stopped by rest /terminate.")
