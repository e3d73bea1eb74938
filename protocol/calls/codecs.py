"""Which formats a call has on its two sides, and what becomes of each on the way.

Nothing is decoded. A format passes if both sides take it, perhaps under other payload types; the two laws of G.711 are
one codec here, since a table turns one into the other (`g711`). The page is answered once and sends the first format of
that answer from then on, so that is what a phone must go on taking.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from attrs import evolve, frozen

from protocol.calls.g711 import ALAW_TO_ULAW, ULAW_TO_ALAW
from protocol.webrtc.sdp import Codec, MediaSection

TELEPHONE_EVENT: Final = "TELEPHONE-EVENT"
COMFORT_NOISE: Final = "CN"
VOICE: Final = ("OPUS", "G722", "PCMA", "PCMU")
"""What can be passed on, by canonical names."""
EVENTS_FMTP: Final = "0-15"
"""The digits, `*`, `#` and A to D (RFC 4733 section 2.4.1)."""

_LAWS: Final[Mapping[tuple[str, str], bytes]] = {("PCMU", "PCMA"): ULAW_TO_ALAW, ("PCMA", "PCMU"): ALAW_TO_ULAW}
_STATIC: Final = {"PCMU": 0, "PCMA": 8, "G722": 9, COMFORT_NOISE: 13}  # RFC 3551 table 4, RFC 3389
_DYNAMIC: Final = range(96, 128)


@frozen(kw_only=True)
class Conversion:
    """What becomes of packets of one payload type: under which type they go on, and by which table, if any."""

    codec: Codec
    table: bytes | None = None


@frozen(kw_only=True)
class CallCodecs:
    """The two sides as agreed: the formats of each in its order of preference, with its own payload types."""

    page: tuple[Codec, ...]
    phone: tuple[Codec, ...]

    @property
    def to_phone(self) -> dict[int, Conversion]:
        """By the page's payload types; what is not here cannot be passed on."""
        return _conversions(self.page, self.phone)

    @property
    def to_page(self) -> dict[int, Conversion]:
        """By the phone's payload types."""
        return _conversions(self.phone, self.page)

    @property
    def page_sends(self) -> Codec:
        """The format that the page sends."""
        return self.page[0]

    @property
    def event_format(self) -> Codec | None:
        """The format of telephone events that goes with what the page sends; None if the phone takes none."""
        voice = self.to_phone.get(self.page_sends.payload_type)
        rate = self.page_sends.clock_rate if voice is None else voice.codec.clock_rate
        return next((each for each in self.phone if each.name == TELEPHONE_EVENT and each.clock_rate == rate), None)

    def follow(self, phone: Sequence[Codec]) -> "CallCodecs | None":
        """The same call after the phone has changed its formats; None if it no longer takes what the page sends."""
        changed = evolve(self, phone=tuple(phone))
        return changed if self.page_sends.payload_type in changed.to_phone else None


def phone_offer(section: MediaSection, excluded: Collection[str]) -> tuple[Codec, ...]:
    """What a phone is offered for a page's section: its formats in its order, and telephone events.

    `excluded` are canonical names. Empty if nothing of the page can be passed on.
    """
    voice = [codec for codec in section.codecs if codec.name in VOICE and codec.name not in excluded]
    return _with_events(voice, section.companions) if voice else ()


def next_phone_offer(page: Sequence[Codec], excluded: Collection[str]) -> tuple[Codec, ...]:
    """What another phone is offered for a page that has been answered: what it sends, and the other law of G.711."""
    voice = [page[0]]
    for source, other in _LAWS:
        if source == page[0].name and other not in excluded:
            voice.append(Codec(payload_type=_STATIC[other], name=other, clock_rate=8_000))
    return _with_events(voice, page)


def answer_page(section: MediaSection, phone: Sequence[Codec], excluded: Collection[str]) -> tuple[Codec, ...]:
    """What a page's offer is answered with: all that the phone takes too, in the phone's order.

    Empty if there is nothing. A law of G.711 that the page has left out is replaced by the other one.
    """
    own = [codec for codec in section.codecs if codec.name in VOICE and codec.name not in excluded]
    chosen = _common(phone, own)
    noise = [each for each in section.companions if each.name == COMFORT_NOISE]
    return (*chosen, *_common(phone, noise)) if chosen else ()


def page_offer(phone: Sequence[Codec], excluded: Collection[str]) -> tuple[Codec, ...]:
    """What a page is offered when a phone calls, with payload types of ours: the phone's order. Empty if nothing."""
    voice = [codec for codec in phone if codec.name in VOICE and codec.name not in excluded]
    laws = {codec.name for codec in voice} & {"PCMU", "PCMA"}
    if len(laws) == 1:  # the other law serves as well
        (law,) = laws
        other = "PCMU" if law == "PCMA" else "PCMA"
        if other not in excluded:
            voice.append(Codec(payload_type=_STATIC[other], name=other, clock_rate=8_000))
    noise = [codec for codec in phone if codec.name == COMFORT_NOISE and codec.clock_rate == 8_000]
    return _numbered([*voice, *noise]) if voice else ()


def answer_phone(phone: Sequence[Codec], page: Sequence[Codec]) -> tuple[Codec, ...]:
    """What a phone's offer is answered with: of its formats those that the page takes, the one it sends first.

    Empty if nothing of it can be passed on. Telephone events stay for each clock in use.
    """
    voice = [codec for codec in phone if codec.name in VOICE and _conversion(codec, page) is not None]
    if not voice:
        return ()
    sends = page[0]
    voice.sort(key=lambda codec: _table(sends.name, codec.name) is None)  # stable: else the phone's order
    noise = [codec for codec in phone if codec.name == COMFORT_NOISE and _conversion(codec, page) is not None]
    rates = {codec.clock_rate for codec in voice}
    events = [codec for codec in phone if codec.name == TELEPHONE_EVENT and codec.clock_rate in rates]
    return (*voice, *noise, *events)


# --- inside -------------------------------------------------------------------------------------------------------


def _common(wanted: Iterable[Codec], own: Sequence[Codec]) -> list[Codec]:
    """Of `own` what is among `wanted`, in the order of `wanted`; exact matches before the other law."""
    found: dict[int, Codec] = {}
    names = tuple(codec.name for codec in wanted)
    for name in names:
        exact = next((codec for codec in own if codec.name == name), None)
        match = exact or next((codec for codec in own if (codec.name, name) in _LAWS), None)
        if match is not None:
            found.setdefault(match.payload_type, match)
    return list(found.values())


def _conversions(source: Sequence[Codec], target: Sequence[Codec]) -> dict[int, Conversion]:
    found = {codec.payload_type: _conversion(codec, target) for codec in source if codec.name != TELEPHONE_EVENT}
    return {payload_type: conversion for payload_type, conversion in found.items() if conversion is not None}


def _conversion(codec: Codec, target: Sequence[Codec]) -> Conversion | None:
    same = next((each for each in target if _is_same(each, codec)), None)
    if same is not None:
        return Conversion(codec=same)
    return next(
        (Conversion(codec=each, table=table) for each in target if (table := _LAWS.get((codec.name, each.name)))), None
    )


def _is_same(one: Codec, other: Codec) -> bool:
    return (one.name, one.clock_rate) == (other.name, other.clock_rate)


def _table(source: str, target: str) -> bytes | bool | None:
    """Something if `source` can be sent as `target`."""
    return True if source == target else _LAWS.get((source, target))


def _with_events(voice: Sequence[Codec], companions: Sequence[Codec]) -> tuple[Codec, ...]:
    """Voice, comfort noise if the page has it, and telephone events for each clock in use, the page's or our own."""
    noise = [each for each in companions if each.name == COMFORT_NOISE and each.clock_rate == 8_000]
    taken = {codec.payload_type for codec in (*voice, *companions)}
    events = []
    for rate in dict.fromkeys(codec.clock_rate for codec in voice):
        theirs = next((each for each in companions if each.name == TELEPHONE_EVENT and each.clock_rate == rate), None)
        number = theirs.payload_type if theirs else _free(taken, 101)
        taken.add(number)
        events.append(Codec(payload_type=number, name=TELEPHONE_EVENT, clock_rate=rate, fmtp=EVENTS_FMTP))
    return (*voice, *noise, *events)


def _numbered(codecs: Sequence[Codec]) -> tuple[Codec, ...]:
    """With static payload types where there are such, and no number twice."""
    taken: set[int] = set()
    numbered = []
    for codec in codecs:
        wanted = _STATIC.get(codec.name, codec.payload_type)
        number = wanted if wanted not in taken and (wanted in _DYNAMIC or codec.name in _STATIC) else _free(taken, 111)
        taken.add(number)
        numbered.append(evolve(codec, payload_type=number, rtcp_feedback=(), rtx_payload_type=None))
    return tuple(numbered)


def _free(taken: Collection[int], preferred: int) -> int:
    numbers: Iterable[int] = (preferred, *_DYNAMIC)
    return next(number for number in numbers if number not in taken)
