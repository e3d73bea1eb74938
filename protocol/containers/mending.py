"""Finishing a file that `MatroskaWriter` could not: its writer was killed, or the disk was full.

All whole frames are kept, and what is missing is added: the size of the last cluster, the Cues, the Duration.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from protocol.containers import ebml
from protocol.containers.ebml import Bytes
from protocol.containers.matroska import (
    CLUSTER,
    CLUSTER_TIME,
    DURATION_SIZE,
    INFO,
    SEGMENT,
    SIMPLE_BLOCK,
    TRACKS,
    Cue,
    Patch,
    cluster_size,
    cue_table,
    final_patches,
)

_EBML: Final = 0x1A45DFA3
_TRACK_ENTRY, _TRACK_NUMBER, _TRACK_TYPE = 0xAE, 0xD7, 0x83
_VIDEO: Final = 1
_LONGEST_NUMBER: Final = 8


class Mended(NamedTuple):
    """Cut the file at `length`, append, then patch. `duration` in milliseconds."""

    length: int
    append: bytes
    patches: list[Patch]
    duration: int


class _Element(NamedTuple):
    number: int
    head: int
    start: int
    end: int | None
    """None: its size is unknown, or it goes on beyond the data."""


class _Cluster(NamedTuple):
    time: int
    end: int
    """Of its last whole block."""
    cue: Cue | None
    last: int
    """Time of its latest block."""


def mend(data: Bytes) -> Mended | None:
    """What makes the file whole; None if it is no file of ours, or has no frame."""
    try:
        mended = _mend(data)
    except (IndexError, KeyError, OverflowError):
        return None
    return mended if mended and all(patch.offset >= 0 for patch in mended.patches) else None


def _mend(data: Bytes) -> Mended | None:
    head = _element(data, 0)
    if head.number != _EBML or head.end is None:
        return None
    segment = _element(data, head.end)
    if segment.number != SEGMENT:
        return None
    places: dict[int, _Element] = {}
    cues: list[Cue] = []
    patches: list[Patch] = []
    end = duration = 0
    for each in _children(data, segment.start, len(data)):
        if each.number != CLUSTER:
            if end:
                break  # the Cues of a writer that was nearly done
            places[each.number] = each
            continue
        cluster = _read_cluster(data, each, segment.start, _seekable_track(data, places[TRACKS]))
        if cluster is None:
            break
        end, duration = cluster.end, max(duration, cluster.last)
        cues += [cluster.cue] if cluster.cue else []
        patches.append(cluster_size(each.head, end))
    if not end:
        return None
    table, info = cue_table(cues), places[INFO]
    patches += final_patches(
        segment=segment.start,
        info=info.head,
        tracks=places[TRACKS].head,
        cues=end if table else None,
        duration_at=(info.end or 0) - DURATION_SIZE,
        duration=duration,
        end=end + len(table),
    )
    return Mended(end, table, patches, duration)


def _element(data: Bytes, at: int) -> _Element:
    number, size, start = ebml.read_head(data, at)
    end = None if size is None or start + size > len(data) else start + size
    return _Element(number, at, start, end)


def _children(data: Bytes, at: int, end: int) -> Iterator[_Element]:
    """The elements from `at` on. After one of unknown size comes what follows its own whole children."""
    while at < end:
        try:
            each = _element(data, at)
        except IndexError:
            return
        yield each
        if each.end is not None:
            at = each.end
        elif each.number == CLUSTER:
            at = _end_of_blocks(data, each.start)
        else:
            return


def _end_of_blocks(data: Bytes, at: int) -> int:
    for each in _blocks(data, at, len(data)):
        at = each.end or at
    return at


def _blocks(data: Bytes, at: int, end: int) -> Iterator[_Element]:
    """The whole elements that a cluster of ours has."""
    while at < end:
        try:
            each = _element(data, at)
        except IndexError:
            return
        if each.end is None or each.number not in (CLUSTER_TIME, SIMPLE_BLOCK):
            return
        yield each
        at = each.end


def _read_cluster(data: Bytes, cluster: _Element, segment: int, seekable: int) -> _Cluster | None:
    time, latest, end, cue = -1, 0, 0, None
    for each in _blocks(data, cluster.start, cluster.end or len(data)):
        if each.number == CLUSTER_TIME:
            time = _number(data, each)
            continue
        track, moment, is_key = _block(data, each.start, time)
        if not end and is_key and track == seekable:
            cue = Cue(time, track, cluster.head - segment)
        end, latest = each.end or 0, max(latest, moment)
    return _Cluster(time, end, cue, latest) if time >= 0 and end else None


def _block(data: Bytes, at: int, cluster_time: int) -> tuple[int, int, bool]:
    relative = int.from_bytes(data[at + 1 : at + 3], "big", signed=True)
    return data[at] & 0x7F, cluster_time + relative, bool(data[at + 3] & 0x80)


def _number(data: Bytes, each: _Element) -> int:
    content = data[each.start : min(each.end or 0, each.start + _LONGEST_NUMBER + 1)]
    if len(content) > _LONGEST_NUMBER:
        raise IndexError("a number of more than 8 bytes")
    return int.from_bytes(content, "big")


def _seekable_track(data: Bytes, tracks: _Element) -> int:
    """The number of the video track, or of the first one."""
    numbers: dict[int, int] = {}
    for entry in _children(data, tracks.start, tracks.end or 0):
        if entry.number == _TRACK_ENTRY:
            fields = {
                each.number: _number(data, each)
                for each in _children(data, entry.start, entry.end or 0)
                if each.number in (_TRACK_NUMBER, _TRACK_TYPE)
            }
            numbers.setdefault(fields[_TRACK_TYPE], fields[_TRACK_NUMBER])
    return numbers.get(_VIDEO, 1)
