"""Pages without the WebSDK: plain `fetch` from another origin publishes by WHIP and plays by WHEP."""

from typing import Any

from tests.support.browsers.sdk_page import OpenPage, SdkPage
from tests.support.servers.server_process import ServerProcess

TOKEN = "open sesame"
BEGIN = """async ([url, token, publishes]) => {
  const peer = new RTCPeerConnection();
  if (publishes) {
    const media = await navigator.mediaDevices.getUserMedia({audio: true, video: {width: 320, height: 240}});
    for (const track of media.getTracks()) peer.addTrack(track, media);
  } else {
    const video = document.createElement("video");
    video.muted = video.autoplay = true;
    video.srcObject = new MediaStream();
    document.body.append(video);
    peer.ontrack = ({track}) => video.srcObject.addTrack(track);
    for (const kind of ["audio", "video"]) peer.addTransceiver(kind, {direction: "recvonly"});
    window.shown = () => video.videoWidth > 0 && video.currentTime > 0;
  }
  await peer.setLocalDescription();
  const headers = {"Content-Type": "application/sdp", "Authorization": `Bearer ${token}`};
  const response = await fetch(url, {method: "POST", headers, body: peer.localDescription.sdp});
  const text = await response.text();
  if (response.status !== 201) return {status: response.status, reason: JSON.parse(text).reason};
  await peer.setRemoteDescription({type: "answer", sdp: text});
  return {status: 201, session: new URL(response.headers.get("Location"), url).href};
}"""
END = """async ([url, token]) => {
  const headers = {"Authorization": `Bearer ${token}`};
  return (await fetch(url, {method: "DELETE", headers})).status;
}"""


def begin(page: SdkPage, url: str, *, publishes: bool) -> dict[str, Any]:
    began: dict[str, Any] = page.page.evaluate(BEGIN, [url, TOKEN, publishes])
    return began


def test_a_page_publishes_and_another_plays(open_page: OpenPage, server: ServerProcess) -> None:
    publisher, player = open_page(), open_page()
    missing = begin(player, server.http_url("/whep/cam"), publishes=False)
    assert missing == {"status": 404, "reason": "Session does not exist"}

    publication = begin(publisher, server.http_url("/whip/cam"), publishes=True)
    assert publication["status"] == 201
    server.wait_until(lambda: bool(server.streams(published=True, status="PUBLISHING")), what="it is published")
    taken = begin(player, server.http_url("/whip/cam"), publishes=True)
    assert taken == {"status": 409, "reason": "Stream name is already in use"}

    playback = begin(player, server.http_url("/whep/cam"), publishes=False)
    assert playback["status"] == 201
    player.wait("() => shown()")

    assert player.page.evaluate(END, [publication["session"], "another"]) == 409
    assert publisher.page.evaluate(END, [publication["session"], TOKEN]) == 200
    server.wait_until(lambda: not server.streams(), what="the player has ended with its publisher")
    assert player.page.evaluate(END, [playback["session"], TOKEN]) == 404
