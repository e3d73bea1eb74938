"""What was promised, what arrived, and what is wrong about it."""

import contextlib
import json
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from attrs import define, field

from tests.bench.hooks.outage.pages import METHOD, Diary


@define
class SpoolWatch:
    """Whatever was seen in the file of kept hooks: by session, the hooks' ids in the order in which they happened."""

    path: Path
    seen: dict[int, tuple[str, str]] = field(factory=dict)
    """Session and id, by number."""

    def look(self) -> int:
        """Note what is there now; how many hooks it is."""
        if not self.path.exists():
            return 0
        try:
            with contextlib.closing(sqlite3.connect(f"file:{self.path}?mode=ro", uri=True)) as database:
                rows = database.execute("SELECT number, lane, hook_id FROM hooks").fetchall()
        except sqlite3.OperationalError:  # it is just being made
            return -1
        self.seen.update((number, (lane, hook_id)) for number, lane, hook_id in rows)
        return len(rows)

    def by_session(self) -> dict[str, list[str]]:
        sessions: dict[str, list[str]] = {}
        for _, (lane, hook_id) in sorted(self.seen.items()):
            sessions.setdefault(lane, []).append(hook_id)
        return sessions


@define
class Ledger:
    """What the backend got, each hook where it came first."""

    places: dict[str, int]
    """By the hook's id."""
    bodies: list[tuple[str, Any]]
    repeated: int

    @classmethod
    def read(cls, path: Path) -> "Ledger":
        places: dict[str, int] = {}
        bodies: list[tuple[str, Any]] = []
        lines = path.read_text().splitlines()
        for line in lines:
            hook = json.loads(line)
            if hook["id"] not in places:
                places[hook["id"]] = len(bodies)
                bodies.append((hook["method"], hook["body"]))
        return cls(places, bodies, len(lines) - len(bodies))

    def numbers(self) -> dict[str, list[int]]:
        """What pages told, by visit, as it came."""
        numbers: dict[str, list[int]] = {}
        for method, body in self.bodies:
            if method == METHOD:
                visit, _, number = body["operationId"].partition(":")
                numbers.setdefault(visit, []).append(int(number))
        return numbers

    def ended(self) -> set[str]:
        """Publications whose end was told."""
        ends = ("UNPUBLISHED", "STOPPED", "FAILED")
        return {
            body["mediaSessionId"]
            for method, body in self.bodies
            if method == "StreamStatusEvent" and body["status"] in ends
        }


def lost(ledger: Ledger, watch: SpoolWatch, diary: Diary, *, until: float, streams: Iterable[str]) -> Iterator[str]:
    """What was kept, what pages told until then, and ends of streams: all that has not arrived."""
    for session, hooks in watch.by_session().items():
        yield from (f"hook {hook} of session {session} was kept" for hook in hooks if hook not in ledger.places)
    numbers = {visit: set(each) for visit, each in ledger.numbers().items()}
    for told in diary.told:
        if told.at < until and told.number not in numbers.get(told.visit, ()):
            yield f"number {told.number} of {told.visit} was told"
    yield from (f"publication {each} has ended" for each in set(streams) - ledger.ended())


def out_of_order(ledger: Ledger, watch: SpoolWatch) -> Iterator[str]:
    """Sessions in which something came before what had happened first."""
    for session, hooks in watch.by_session().items():
        places = [ledger.places[hook] for hook in hooks if hook in ledger.places]
        if places != sorted(places):
            yield f"kept hooks of session {session}"
    for visit, numbers in ledger.numbers().items():
        if numbers != sorted(numbers):
            yield f"numbers of {visit}: {numbers}"
