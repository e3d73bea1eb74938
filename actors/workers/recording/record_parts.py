"""The files of a recording, one after the other."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from attrs import evolve

from actors.node.ports.recorder import TellStatus
from actors.workers.recording.record_folder import RecordFolder
from actors.workers.recording.record_part import RecordPart
from protocol.stream.record_names import RecordFacts
from protocol.taps import VIDEO_CODECS


class RecordParts:
    """See above. `now` is in milliseconds since the epoch; `on_file` is told of each file that another one follows."""

    def __init__(
        self,
        folder: RecordFolder,
        template: str,
        facts: RecordFacts,
        tell: TellStatus,
        on_file: Callable[[RecordPart], None],
        now: Callable[[], int],
    ) -> None:
        self.current = RecordPart(folder, template, facts, tell)
        """The file that is being written, the last one in the end."""
        self.following: RecordPart | None = None
        """The next one, which the process has been given, or is."""
        self.before = 0
        """How many there were before the current one."""
        self._folder = folder
        self._template = template
        self._tell = tell
        self._on_file = on_file
        self._now = now

    def settle(self) -> str:
        """The current one ends now; the name that it will have. Idempotent."""
        return self.current.settle(self._now())

    def follow(self, codecs: Collection[str]) -> RecordPart:
        """Another one will follow, with tracks of these codecs."""
        video = next((codec for codec in codecs if codec in VIDEO_CODECS), None)
        audio = next((codec for codec in codecs if codec not in VIDEO_CODECS), None)
        self.following = self._make(evolve(self.current.facts, audio_codec=audio, video_codec=video))
        return self.following

    def rotated(self, figures: Mapping[str, Any]) -> None:
        """The process writes the next one now; `figures` are of the one before."""
        following, self.following = self.following, None
        if following is not None:
            self.current.take_figures(figures)
            self.settle()
            self._pass_on_to(following)

    async def complete(self, *, is_whole: bool) -> None:
        """The process has ended: make files of what it has written."""
        self.settle()
        await self.current.complete(is_whole=is_whole)
        following, self.following = self.following, None
        if following is not None:  # it died before it told that it has begun it, or it has not
            following.settle(self._now())
            await following.complete(is_whole=False)
            if following.file is not None:
                self._pass_on_to(following)

    def begin_anew(self) -> None:
        """After `complete`: another process is to write another one."""
        part = self._make(self.current.facts)
        if self.current.file is not None:
            self._pass_on_to(part)
        self.current = part

    def _make(self, facts: RecordFacts) -> RecordPart:
        return RecordPart(self._folder, self._template, evolve(facts, start=self._now()), self._tell)

    def _pass_on_to(self, following: RecordPart) -> None:
        written, self.current = self.current, following
        self.before += 1
        self._on_file(written)
