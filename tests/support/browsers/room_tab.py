"""A page with the unmodified RoomApi of the WebSDK in a real browser, driven through `tests/e2e/site/room.js`."""

from typing import Any

from attrs import define

from tests.support.browsers.sdk_page import SMALL_VIDEO, SdkPage, SdkStream


@define
class RoomTab(SdkPage):
    """One page with one session of the RoomApi."""

    def enter(self, url: str, login: str, *rooms: str) -> None:
        """Connect under this login and join these rooms, one after the other."""
        self.run("(options) => roomHarness.connect(options)", {"urlServer": url, "username": login})
        self.wait_for_session("ESTABLISHED")
        for room in rooms:
            self.join(room)
            self.wait_for_event(room, "STATE")

    def join(self, room: str) -> None:
        """Ask to join, without waiting for anything."""
        self.run("(room) => roomHarness.join(room)", room)

    def leave(self, room: str) -> bool:
        """Leave; whether that was accepted."""
        accepted: bool = self.run("(room) => roomHarness.leave(room)", room)
        return accepted

    def events(self, room: str) -> list[tuple[str, Any]]:
        """All that the page was told about the room, in order."""
        told = self.run("roomHarness.state.events")
        return [(event, detail) for name, event, detail in told if name == room]

    def wait_for_event(self, room: str, event: str, detail: Any = None) -> None:
        """Wait until the page has been told this about the room."""
        self.wait(
            "([room, event, detail]) => roomHarness.state.events.some(([one, what, which]) => one === room"
            " && what === event && (detail === null || JSON.stringify(which) === JSON.stringify(detail)))",
            [room, event, detail],
        )

    def participants(self, room: str) -> dict[str, list[str]]:
        """Who is in the room besides this page, each with the names of its streams."""
        found: dict[str, list[str]] = self.run("(room) => roomHarness.participants(room)", room)
        return found

    def publish_in(self, room: str, **options: Any) -> SdkStream:
        """Publish the camera, or with `isScreen` a painted picture, and wait until it is on."""
        given = {"constraints": {"audio": True, "video": SMALL_VIDEO}, **options}
        stream_id, name = self.run("([room, given]) => roomHarness.publish(room, given)", [room, given])
        stream = SdkStream(self, name, stream_id)
        stream.wait_for("PUBLISHING")
        return stream

    def play_in(self, room: str, login: str, published: SdkStream) -> SdkStream:
        """Play what the participant publishes, as soon as the page knows it."""
        name = published.name
        self.wait("([room, login, name]) => roomHarness.participants(room)[login]?.includes(name)", [room, login, name])
        played = self.run("([room, login, name]) => roomHarness.play(room, login, name)", [room, login, name])
        return SdkStream(self, name, played)

    def say(self, room: str, login: str, text: str) -> None:
        self.run("([room, login, text]) => roomHarness.say(room, login, text)", [room, login, text])
