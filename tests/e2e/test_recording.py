"""A page has its stream recorded; the file plays and seeks in the browser, also when the server was killed."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.browsers.sdk_page import OpenPage, SdkPage, SdkStream
from tests.support.servers.server_process import ServerProcess, running_server
from tests.support.workers.flv_reader import until_written

SETTINGS = {"records.access": "public", "records.min_free": 0}
FRAMES = 20
"""Of sound and of pictures, which make more than a second."""
PLAYS_AND_SEEKS = """async (url) => {
    const video = document.createElement("video");
    const next = (event) => new Promise((resolve, reject) => {
        video.addEventListener(event, resolve, { once: true });
        video.addEventListener("error", () => reject(new Error(video.error.message)), { once: true });
    });
    video.muted = true;
    video.src = url;
    await next("loadeddata");
    const { duration } = video;
    video.currentTime = duration / 2;
    await next("seeked");
    const from = video.currentTime;
    await Promise.all([video.play(), next("timeupdate")]);
    return { duration, from, width: video.videoWidth, height: video.videoHeight };
}"""


def plays_and_seeks(page: SdkPage, url: str) -> dict[str, Any]:
    seen: dict[str, Any] = page.run(PLAYS_AND_SEEKS, url)
    return seen


def part_of(publication: SdkStream, server: ServerProcess) -> Path:
    """The file that the publication is being recorded to, as soon as there is one."""

    def found() -> list[Path]:
        return list((server.state / "records").glob(f"*{publication.id}*"))

    server.wait_until(lambda: bool(found()), what="it is being recorded")
    (part,) = found()
    assert part.name.endswith(".part")
    return part


@pytest.mark.parametrize(("codec", "ending"), [("VP8", "webm"), ("AV1", "webm"), ("H264", "mp4")])
def test_a_recorded_stream_plays_and_seeks(
    connected_page: OpenPage, server: ServerProcess, codec: str, ending: str
) -> None:
    page = connected_page()
    publication = page.published("news", codec=codec, record=True)
    until_written(part_of(publication, server), FRAMES)
    publication.stop()
    publication.wait_for("UNPUBLISHED", "Stopped by user")
    name = publication.call("getRecordInfo")
    assert name == f"stream-{publication.id}.{ending}"
    server.wait_until((server.state / "records" / name).exists, what="the file is finished")

    seen = plays_and_seeks(page, server.http_url(f"/client/records/{name}"))

    assert (seen["width"], seen["height"]) == (320, 240)
    assert seen["from"] == pytest.approx(seen["duration"] / 2, abs=0.1)
    assert seen["duration"] > 0.5


def test_a_killed_servers_recording_is_finished_by_the_next_one(open_page: OpenPage, tmp_path: Path) -> None:
    killed = ServerProcess(tmp_path, SETTINGS)
    page = open_page()
    page.connect(killed.ws_url())
    publication = page.published("news", record=True)
    until_written(part_of(publication, killed), FRAMES)
    killed.kill()

    with running_server(tmp_path, SETTINGS) as server:
        (file,) = (server.state / "records").iterdir()
        assert file.name == f"stream-{publication.id}.webm"
        seen = plays_and_seeks(open_page(), server.http_url(f"/client/records/{file.name}"))
        assert seen["duration"] > 0.5
