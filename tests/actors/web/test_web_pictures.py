"""How REST and the console answer requests for pictures of streams."""

import base64
from typing import Any

import pytest
from attrs import define, field

from actors.node.ports.recorder import NoSuchPublication
from actors.node.ports.snapshot import NotInTime, NoVideo, SnapshotRefused
from actors.web.media_routes import MediaPorts
from protocol.node.filters import StreamFilter
from protocol.stream.pictures import Picture, PictureFormat, PictureSpec
from tests.support.web.stream_world import StreamWorld
from tests.support.web.web_rig import client_of

PATH = "/rest-api/stream/snapshot"
PICTURE = base64.b64encode(b"a picture")


@define
class FakeSnapshots:
    """Pictures of `news`, or a refusal."""

    refusal: Exception | None = None
    asked: list[tuple[StreamFilter, PictureSpec]] = field(factory=list)

    @property
    def here(self) -> "FakeSnapshots":
        return self

    async def take(self, query: StreamFilter, spec: PictureSpec) -> Picture:
        self.asked.append((query, spec))
        if self.refusal is not None:
            raise self.refusal
        return Picture(data=PICTURE, width=2, height=1)


async def answer(fake: FakeSnapshots, body: Any, path: str = PATH) -> tuple[int, Any]:
    async with client_of(StreamWorld([], []), media=MediaPorts(snapshots=fake)) as client:
        given = await (client.post(path, json=body) if body is not None else client.get(path))
    return given.status_code, given.json()


async def test_a_picture_is_base64_as_in_wcs() -> None:
    fake = FakeSnapshots()
    assert await answer(fake, {"streamName": "news"}) == (200, {"data": PICTURE.decode()})
    assert fake.asked == [(StreamFilter(name="news", published=True), PictureSpec())]


async def test_format_and_width_are_parameters_of_the_query() -> None:
    fake = FakeSnapshots()
    assert (await answer(fake, {"streamName": "news"}, f"{PATH}?format=jpeg&width=320"))[0] == 200
    assert fake.asked[0][1] == PictureSpec(format=PictureFormat.JPEG, width=320)


@pytest.mark.parametrize(
    ("body", "query", "key"),
    [
        ({}, "", "streamName"),
        ({"streamName": None}, "", "streamName"),
        ({"name": "news"}, "", "name"),
        ({"streamName": "news"}, "?format=gif", "format"),
        ({"streamName": "news"}, "?width=15", "width"),
        ({"streamName": "news"}, "?width=4097", "width"),
        ({"streamName": "news"}, "?height=10", "height"),
    ],
)
async def test_what_is_not_understood_is_refused_and_named(body: Any, query: str, key: str) -> None:
    fake = FakeSnapshots()
    status, error = await answer(fake, body, PATH + query)
    assert (status, error["key"]) == (400, key)
    assert fake.asked == []


@pytest.mark.parametrize(
    ("refusal", "status", "setting"),
    [
        (NoSuchPublication(), 404, None),
        (NoVideo("The stream has no video"), 409, None),
        (SnapshotRefused("Too many snapshots", "snapshot.max_waiting"), 503, "snapshot.max_waiting"),
        (NotInTime("No key frame came in time", "snapshot.timeout"), 504, "snapshot.timeout"),
    ],
)
async def test_each_refusal_has_its_status(refusal: Exception, status: int, setting: str | None) -> None:
    got, error = await answer(FakeSnapshots(refusal), {"streamName": "news"})
    assert (got, error.get("setting")) == (status, setting)


async def test_the_console_is_told_why_there_is_no_picture() -> None:
    fake = FakeSnapshots()
    assert await answer(fake, None, "/page/picture?id=m1") == (200, {"data": PICTURE.decode()})
    assert fake.asked[0][0] == StreamFilter(media_session_ids=frozenset({"m1"}))
    assert fake.asked[0][1].format is PictureFormat.JPEG
    for refusal in (NoSuchPublication(), NoVideo("The stream has no video")):
        status, told = await answer(FakeSnapshots(refusal), None, "/page/picture?id=m1")
        assert (status, list(told)) == (200, ["info"])
