"""What pages tell each other through streams, and what they ask of the server beside media."""

from tests.support.browsers.sdk_page import OpenPage, SdkStream
from tests.support.servers.server_process import ServerProcess

MUTES = ("audioMuted", "audioUnmuted", "videoMuted", "videoUnmuted")


def _types(playback: SdkStream) -> list[str]:
    return [event["type"] for event in playback.events_of(*MUTES)]


def test_players_hear_of_mutes_of_their_publisher(connected_page: OpenPage) -> None:
    page, other = connected_page(), connected_page()
    news, sport = page.published("news"), page.published("sport")
    playbacks = [page.played("news"), other.played("news")]
    bystander = other.played("sport")

    for call in ("muteAudio", "unmuteAudio", "muteVideo", "unmuteVideo"):
        news.call(call)

    for playback in playbacks:
        (event,) = playback.wait_for_event("videoUnmuted")
        assert event["mediaSessionId"] == playback.id
        assert _types(playback) == list(MUTES)
    sport.call("muteAudio")
    bystander.wait_for_event("audioMuted")
    assert _types(bystander) == ["audioMuted"]
    assert news.events == sport.events == []


def test_a_late_player_is_given_the_mute_state(connected_page: OpenPage) -> None:
    publisher, player = connected_page(), connected_page()
    publication = publisher.published("news")
    early = player.played("news")
    publication.call("muteAudio")
    early.wait_for_event("audioMuted")

    late = player.played("news")

    assert (late.call("getAudioState"), late.call("getVideoState")) == ({"muted": True}, {"muted": False})
    assert _types(late) == []
    publication.call("unmuteAudio")
    publication.call("muteVideo")
    late.wait_for_event("videoMuted")
    latest = player.play("news")
    latest.wait_for("PLAYING")
    assert (latest.call("getAudioState"), latest.call("getVideoState")) == ({"muted": False}, {"muted": True})


def test_muted_media_goes_on_as_silence(connected_page: OpenPage) -> None:
    page = connected_page()
    publication = page.published("news")
    playback = page.played("news")
    publication.call("muteAudio")
    publication.call("muteVideo")
    playback.wait_for_event("videoMuted")
    playback.wait_for_growth(audioPackets=30, currentTime=0.5)


def test_players_get_the_data_of_their_publisher(connected_page: OpenPage) -> None:
    page, other = connected_page(), connected_page()
    publication = page.published("news")
    playbacks = [page.played("news"), other.played("news")]
    payloads = [{"count": 1, "text": "Grüße ☃"}, "plain", [1, 2.5, None], {"nested": {"list": [{}]}}]

    for payload in payloads:
        publication.call("sendData", payload)

    for playback in playbacks:
        events = playback.wait_for_event("data", count=len(payloads))
        assert [event["payload"] for event in events] == payloads
    assert publication.events == []


def test_players_get_the_data_of_a_backend(connected_page: OpenPage, server: ServerProcess) -> None:
    page, other = connected_page(), connected_page()
    publication = page.published("news")
    playbacks = [page.played("news"), other.played("news")]

    answer = server.post("/stream/event/send", {"streamName": "news", "payload": {"text": "Grüße ☃"}})

    assert answer.headers["x-sent-count"] == "2"
    for playback in playbacks:
        (event,) = playback.wait_for_event("data")
        assert event["payload"] == {"text": "Grüße ☃"}
    assert publication.events == []


def test_data_of_a_session_is_accepted(connected_page: OpenPage) -> None:
    page = connected_page()
    assert page.send_data({"operation": "ready"})["accepted"]
    assert page.send_data("again")["accepted"]


def test_a_picture_of_a_stream_that_does_not_exist_fails(connected_page: OpenPage) -> None:
    stream = connected_page().new_stream("nothing")
    stream.call("snapshot")
    (event,) = stream.wait_for_event("snapshotFailed")
    assert event["payload"] == {"info": "Stream not found"}
    stream.wait_for("FAILED", "Stream not found")


def test_a_call_is_declined(connected_page: OpenPage) -> None:
    page = connected_page()
    outcome = page.run(
        "() => new Promise((resolve) => {"
        "  const display = () => document.body.appendChild(document.createElement('div'));"
        "  const call = harness.state.session.createCall({"
        "    callee: '1001', localVideoDisplay: display(), remoteVideoDisplay: display(),"
        "    constraints: {audio: true, video: false}});"
        "  call.on('FAILED', () => resolve(call.status()));"
        "  call.call(); })"
    )
    assert outcome == "FAILED"


def test_a_player_of_another_kind_is_declined_and_its_session_goes_on(connected_page: OpenPage) -> None:
    page = connected_page()
    page.published("news")
    playback = page.play("news", mediaProvider="MSE")
    playback.wait_for("FAILED", "Failed to add stream to proxy")
    page.played("news")


def test_debugging_and_reports_do_no_harm(connected_page: OpenPage, server: ServerProcess) -> None:
    page = connected_page()
    status = page.run(
        "() => new Promise((resolve) => {"
        "  const { session } = harness.state;"
        "  session.on(Flashphoner.constants.SESSION_STATUS.DEBUG, ({ status }) => resolve(status));"
        "  session.startDebug(); })"
    )
    assert isinstance(status, str)
    page.run("harness.state.session.submitBugReport({ text: 'no picture', type: 'media' })")
    page.run("harness.state.session.stopDebug()")
    page.published("news")
    assert page.frames("pushLogs", sent=True)
    assert len(server.connections()) == 1


def test_pings_go_both_ways(open_page: OpenPage, server: ServerProcess) -> None:
    page = open_page()
    page.connect(server.ws_url(), pingInterval=100, receiveProbes=20, probesInterval=3_000)
    page.wait_for_frames("ping", 2)
    page.wait_for_frames("pong", 3)
    assert len(page.frames("pong", sent=True)) >= 2
    assert page.session_history == ["CONNECTED", "ESTABLISHED"]
