"""A backend decides over pages: who connects, what is published and played under which name, and what goes on."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.browsers.sdk_page import PATIENCE, OpenPage, SdkPage, Seen
from tests.support.hooks.backend import ScriptedBackend, backend_thread
from tests.support.hooks.behaviours import Behaviour, Exchange, ReceivedCall, allow, app_config, deny, rewrite
from tests.support.servers.server_process import ServerProcess

SETTINGS = {
    "keep_alive_streaming_sessions_enabled": "true",
    "streaming_sessions_keep_alive_interval": 200,
    "streaming_sessions_keep_alive_app_keys": "defaultApp",
}
Told = list[tuple[str, str | None]]


@pytest.fixture
def backend(server: ServerProcess) -> Iterator[ScriptedBackend]:
    """A new backend for the test, told to the running server by the operator's own command."""
    with backend_thread() as backend:
        server.operate("update", "app", "-l", backend.url, "defaultApp")
        server.operate("add", "app-rest-method", "defaultApp", "StreamKeepAliveEvent")
        yield backend


def _configured(**methods: dict[str, str]) -> Behaviour:
    """A `connect` that is allowed, with this restClientConfig."""
    return rewrite(restClientConfig=app_config(**methods))


def _statuses(backend: ScriptedBackend, media_session_id: str) -> Told:
    """What the backend was told of the stream, in order."""
    bodies = [call.body for call in backend.received("StreamStatusEvent")]
    return [(body["status"], body.get("info")) for body in bodies if body["mediaSessionId"] == media_session_id]


def _of_stream(call: ReceivedCall, media_session_id: str) -> bool:
    return bool(call.body["mediaSessionId"] == media_session_id)


async def _check_token(exchange: Exchange) -> None:
    """What a backend does with the token of `custom`."""
    is_known = exchange.call.body.get("custom") == {"token": "open sesame"}
    await (allow if is_known else deny(info="Unknown token"))(exchange)


def test_a_token_in_custom_opens_the_session(
    backend: ScriptedBackend, open_page: OpenPage, server: ServerProcess
) -> None:
    backend.script("connect", _check_token)
    page = open_page()
    page.connect(server.ws_url(), custom={"token": "open sesame"})
    page.published("news")
    (established,) = page.frames("getUserData")
    assert "custom" not in established[0]
    (call,) = backend.received("connect")
    assert call.body["origin"].startswith("http://127.0.0.1:")
    assert "open sesame" not in server.log()


@pytest.mark.parametrize("options", [{"custom": {"token": "guess"}}, {}])
def test_a_wrong_token_is_refused(
    backend: ScriptedBackend, open_page: OpenPage, server: ServerProcess, options: dict[str, Any]
) -> None:
    backend.script("connect", _check_token)
    page = open_page()
    page.begin_session(server.ws_url(), **options)
    page.wait_for_session("DISCONNECTED")
    assert page.session_history == ["CONNECTED", "DISCONNECTED"]
    assert [(warning["status"], warning["info"]) for warning in page.warnings] == [("FAILED", "Unknown token")]


def test_a_publication_is_denied_and_then_allowed(backend: ScriptedBackend, connected_page: OpenPage) -> None:
    backend.script("connect", _configured(publishStream={"restOnError": "FAIL"}))
    page = connected_page()
    backend.script("publishStream", deny(info="No credit"), deny(), allow)

    page.publish("news").wait_for("FAILED", "No credit")
    page.publish("news").wait_for("FAILED", "Restricted access")

    page.published("news")
    page.played("news")
    assert page.warnings == []


def test_a_playback_is_denied_and_the_stream_goes_on(backend: ScriptedBackend, connected_page: OpenPage) -> None:
    backend.script("connect", _configured(playStream={"restOnError": "FAIL"}))
    page = connected_page()
    publication = page.published("news")
    backend.script("playStream", deny(info="Pay first"), allow)

    page.play("news").wait_for("FAILED", "Pay first")

    page.played("news")
    assert publication.history == [Seen("PUBLISHING")]


def test_without_a_config_a_denial_is_not_obeyed(backend: ScriptedBackend, connected_page: OpenPage) -> None:
    backend.script("publishStream", deny())
    backend.script("playStream", deny())
    page = connected_page()
    page.published("news")
    page.played("news")


def test_a_renamed_stream_keeps_its_public_name_for_its_page(
    backend: ScriptedBackend, connected_page: OpenPage, server: ServerProcess
) -> None:
    backend.script(
        "connect",
        _configured(
            publishStream={"restOnError": "FAIL", "restPolicy": "OVERWRITE", "restOverwrite": "name"},
            StreamStatusEvent={"clientExclude": "name"},
        ),
    )
    backend.script("publishStream", rewrite(name="studio-7"))
    publisher, player = connected_page(), connected_page()

    publication = publisher.published("news")

    assert [stream["name"] for stream in server.streams()] == ["studio-7"]
    assert publication.call("name") == "news"
    assert "studio-7" not in str(
        [frame for name in ("setRemoteSDP", "notifyStreamStatusEvent") for frame in publisher.frames(name)]
    )
    player.play("news").wait_for("FAILED", "Session does not exist")
    player.played("studio-7")


def test_a_player_is_led_to_another_stream(backend: ScriptedBackend, connected_page: OpenPage) -> None:
    overwrite = {"restOnError": "FAIL", "restPolicy": "OVERWRITE", "restOverwrite": "name"}
    backend.script("connect", _configured(playStream=overwrite))
    backend.script("playStream", rewrite(name="sport"))
    page = connected_page()
    page.published("news", codec="VP8")
    page.published("sport", codec="H264")

    playback = page.played("news")

    assert playback.measure()["videoCodec"] == "H264"
    assert playback.call("name") == "news"


def test_the_backend_hears_of_each_stream_from_start_to_end(
    backend: ScriptedBackend, connected_page: OpenPage, server: ServerProcess
) -> None:
    page = connected_page()
    first = page.published("news")
    stopped, fallen, terminated = page.played("news"), page.played("news"), page.played("news")
    stopped.stop()
    stopped.wait_for("STOPPED", "Stopped by user")
    server.terminate({"mediaSessionId": terminated.id})
    terminated.wait_for("FAILED", "Stopped by rest /terminate")
    first.stop()
    fallen.wait_for("FAILED", "Stopped by publisher stop")
    lost = page.published("news")
    page.disconnect()
    server.wait_until(lambda: not server.connections(), what="the session has ended")

    backend.wait_in_thread("StreamStatusEvent", count=10)

    assert {stream.id: _statuses(backend, stream.id) for stream in (first, stopped, fallen, terminated, lost)} == {
        first.id: [("PUBLISHING", None), ("UNPUBLISHED", "Stopped by user")],
        stopped.id: [("PLAYING", None), ("STOPPED", "Stopped by user")],
        fallen.id: [("PLAYING", None), ("FAILED", "Stopped by publisher stop")],
        terminated.id: [("PLAYING", None), ("FAILED", "Stopped by rest /terminate")],
        lost.id: [("PUBLISHING", None), ("FAILED", "Stopped by session disconnect")],
    }
    backend.wait_in_thread("ConnectionStatusEvent", count=2)
    told = [call.body["status"] for call in backend.received("ConnectionStatusEvent")]
    assert told == ["ESTABLISHED", "DISCONNECTED"]


def test_a_backend_that_fails_on_an_event_warns_the_page_and_nothing_else(
    backend: ScriptedBackend, connected_page: OpenPage
) -> None:
    backend.script("connect", _configured(StreamStatusEvent={"restOnError": "FAIL"}))
    backend.script("StreamStatusEvent", deny(500))
    page = connected_page()
    publication = page.published("news")

    warning = page.wait_for_warning()

    assert "apiMethod" not in warning
    page.played("news")
    assert publication.history == [Seen("PUBLISHING")]


def test_data_goes_to_the_backend_which_may_reject_it(backend: ScriptedBackend, connected_page: OpenPage) -> None:
    backend.script("connect", _configured(OnDataEvent={"restOnError": "FAIL"}))
    page = connected_page()
    backend.script("OnDataEvent", allow, deny(info="Not now"))

    assert page.send_data({"seat": 7})["accepted"]
    rejected = page.send_data({"seat": 8})

    assert (rejected["accepted"], rejected["answer"]["info"]) == (False, "Not now")
    assert [call.body["payload"] for call in backend.received("OnDataEvent")] == [{"seat": 7}, {"seat": 8}]


# -- keep-alive --------------------------------------------------------------------------------------------------------

KEEP_ALIVE = {"restExclude": "sdp", "restOnError": "FAIL"}


def _forbid(*, published: bool | None = None, media_session_id: str | None = None) -> Behaviour:
    """Answer 403 to the keep-alives of the streams that are meant; allow all others."""

    async def behave(exchange: Exchange) -> None:
        body = exchange.call.body
        is_meant = body["published"] is published or body["mediaSessionId"] == media_session_id
        await (deny() if is_meant else allow)(exchange)

    return behave


@pytest.fixture
def page(backend: ScriptedBackend, connected_page: OpenPage) -> SdkPage:
    """A page whose streams live by the backend's word."""
    backend.script("connect", _configured(StreamKeepAliveEvent=KEEP_ALIVE))
    return connected_page()


def _wait_for_keep_alives(backend: ScriptedBackend, media_session_id: str, *, count: int) -> list[ReceivedCall]:
    """Wait until the stream was asked about so often; each has turns of its own."""
    deadline = time.monotonic() + PATIENCE / 1000
    while True:
        all_calls = backend.received("StreamKeepAliveEvent")
        calls = [call for call in all_calls if _of_stream(call, media_session_id)]
        if len(calls) >= count:
            return calls
        backend.wait_in_thread("StreamKeepAliveEvent", count=len(all_calls) + 1, timeout=deadline - time.monotonic())


def test_streams_go_on_while_the_backend_says_so(backend: ScriptedBackend, page: SdkPage) -> None:
    publication, playback = page.published("news"), page.played("news")
    for stream in (publication, playback):
        calls = _wait_for_keep_alives(backend, stream.id, count=2)
        assert {call.body["published"] for call in calls} == {stream is publication}
        assert "sdp" not in calls[0].body
    playback.sees()


def test_a_403_to_a_publication_ends_it_and_its_players(backend: ScriptedBackend, page: SdkPage) -> None:
    publication, playback = page.published("news"), page.played("news")
    backend.script("StreamKeepAliveEvent", _forbid(published=True))
    publication.wait_for("FAILED", "Terminated by keep-alive")
    playback.wait_for("FAILED", "Stopped by publisher stop")


def test_a_403_to_one_player_ends_it_alone(backend: ScriptedBackend, page: SdkPage) -> None:
    publication, playback, other = page.published("news"), page.played("news"), page.played("news")
    backend.script("StreamKeepAliveEvent", _forbid(media_session_id=playback.id))
    playback.wait_for("FAILED", "Terminated by keep-alive")
    other.sees()
    assert publication.history == [Seen("PUBLISHING")]


def test_a_403_to_everything_ends_publication_and_player(backend: ScriptedBackend, page: SdkPage) -> None:
    publication, playback = page.published("news"), page.played("news")
    backend.script("StreamKeepAliveEvent", deny())
    publication.wait_for("FAILED", "Terminated by keep-alive")
    playback.wait_for_end()
    assert playback.history[-1] in (
        Seen("FAILED", "Terminated by keep-alive"),
        Seen("FAILED", "Stopped by publisher stop"),
    )
    backend.script("StreamKeepAliveEvent", allow)
    page.published("news")
    page.played("news")


def test_an_error_other_than_403_warns_and_the_stream_goes_on(backend: ScriptedBackend, page: SdkPage) -> None:
    publication, playback = page.published("news"), page.played("news")
    backend.script("StreamKeepAliveEvent", deny(503))
    page.wait_for_warning()
    playback.sees()
    assert publication.history == [Seen("PUBLISHING")]
