"""The types of values that settings have: how their text is parsed, and what an operator is told is allowed."""

import math
import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from ipaddress import IPv6Address, ip_address, ip_network
from pathlib import Path
from typing import Generic, Literal, Protocol, TypeVar, runtime_checkable

from attrs import field, frozen

from protocol.access.client_address import IpNetwork, TrustedProxies
from protocol.common.suggestions import did_you_mean
from protocol.hooks.networks import HookNetworks
from protocol.stream.record_names import ELEMENTS, unknown_elements
from protocol.stream.rotation import ALLOWED as ALLOWED_ROTATION
from protocol.stream.rotation import Rotation, read_rotation

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
E = TypeVar("E", bound=StrEnum)

_INTEGER = re.compile(r"[+-]?[0-9]+")
_MOST_DIGITS = 100
_HEADER = re.compile(r"([A-Za-z0-9!#$%&'*+.^_`|~-]+):[ \t]*([\x20-\x7e\t]*)")


class Kind(Protocol[T_co]):
    """How one type of value is written."""

    @property
    def allowed(self) -> str:
        """What may be written, unit and range included; the text after "allowed: "."""

    def read(self, text: str) -> T_co:
        """The value of trimmed text. Raises ValueError; its message completes "<text> ..."."""


@runtime_checkable
class Remarking(Protocol):
    """A kind that accepts values of WCS it cannot honour, and says so."""

    def remarks(self, text: str) -> Iterator[str]:
        """What to tell the operator about a text that `read` accepts."""


@frozen
class Integer:
    """A whole number with an optional unit."""

    low: int
    high: int
    unit: str = ""

    @property
    def allowed(self) -> str:
        return f"a whole number{f' of {self.unit}' if self.unit else ''} from {self.low} to {self.high}"

    def read(self, text: str) -> int:
        if not _INTEGER.fullmatch(text):
            raise ValueError("is not a whole number")
        if len(text) > _MOST_DIGITS:
            raise ValueError("is out of range")
        number = int(text)
        if not self.low <= number <= self.high:
            raise ValueError("is out of range")
        return number


@frozen
class OptionalInteger:
    """A whole number, or nothing (None)."""

    number: Integer

    @property
    def allowed(self) -> str:
        return f"{self.number.allowed}, or nothing"

    def read(self, text: str) -> int | None:
        return self.number.read(text) if text else None


@frozen
class Duration:
    """A time written as a whole number of `unit`, read as seconds. With `zero_is_forever`, 0 is math.inf."""

    unit: Literal["ms", "s"]
    low: int
    high: int
    zero_is_forever: bool = False

    @property
    def allowed(self) -> str:
        unit = "milliseconds" if self.unit == "ms" else "seconds"
        return Integer(self.low, self.high, unit).allowed + (", or 0 for no limit" if self.zero_is_forever else "")

    def read(self, text: str) -> float:
        if self.zero_is_forever and text == "0":
            return math.inf
        number = Integer(self.low, self.high).read(text)
        return number / 1000 if self.unit == "ms" else float(number)


@frozen
class Boolean:
    """true or false."""

    allowed: str = field(default="true or false", init=False)

    def read(self, text: str) -> bool:
        known = {"true": True, "false": False}
        if text.lower() not in known:
            raise ValueError("is neither true nor false")
        return known[text.lower()]


@frozen
class Choice(Generic[E]):
    """One member of a closed set, by its value, in any case."""

    members: type[E]

    @property
    def allowed(self) -> str:
        return "one of " + ", ".join(self.members)

    def read(self, text: str) -> E:
        for member in self.members:
            if member.lower() == text.lower():
                return member
        raise ValueError("is not known")


@frozen
class StringList:
    """A comma-separated list. Items are trimmed, empty ones ignored."""

    what: str
    form: re.Pattern[str] = re.compile(r"\S+")
    needed: bool = False

    @property
    def allowed(self) -> str:
        return f"{self.what}, separated by commas{'' if self.needed else '; or empty'}"

    def read(self, text: str) -> tuple[str, ...]:
        words = _items(text)
        for word in words:
            if not self.form.fullmatch(word):
                raise ValueError(f"has an invalid item, {word!r}")
        if self.needed and not words:
            raise ValueError("is empty")
        return tuple(dict.fromkeys(words))


@frozen
class OrderedChoices:
    """An ordered list of members of a closed set, without repeats: name as written -> name as used in the code.

    Other names are ignored with a remark, as long as one remains; `foreign` gives the reason for those we know.
    """

    names: Mapping[str, str]
    foreign: Mapping[str, str] = field(factory=dict)

    @property
    def allowed(self) -> str:
        return f"at least one of {', '.join(self.names)}, separated by commas, the preferred one first"

    def read(self, text: str) -> tuple[str, ...]:
        words = [word for word in map(str.lower, _items(text)) if word in self.names]
        if not words or len(set(words)) < len(words):
            raise ValueError("names one twice" if words else "names none")
        return tuple(self.names[word] for word in words)

    def remarks(self, text: str) -> Iterator[str]:
        for word in map(str.lower, _items(text)):
            if word not in self.names:
                known = self.foreign.get(word)
                why = f": {known}" if known else " as unknown" + did_you_mean(word, self.names)
                yield f"{word!r} is ignored{why}"


@frozen
class HeaderLines:
    """HTTP headers as WCS writes them: `Name: value;Name: value`."""

    allowed: str = field(default="`Name: value` headers, separated by semicolons; or empty", init=False)

    def read(self, text: str) -> tuple[tuple[str, str], ...]:
        headers = []
        for line in filter(None, map(str.strip, text.split(";"))):
            found = _HEADER.fullmatch(line)
            if not found:
                raise ValueError(f"has a part that is not a header, {line!r}")
            headers.append((found.group(1), found.group(2)))
        return tuple(headers)


@frozen
class Address:
    """An IP address to listen on, in its canonical form, or nothing (None): every address of the machine."""

    allowed: str = field(default="an IPv4 or IPv6 address, or empty for every address", init=False)

    def read(self, text: str) -> str | None:
        return canonical_address(text.removeprefix("[").removesuffix("]")) if text else None


@frozen
class Port:
    """A TCP port, 0 for any free one, or nothing (None)."""

    allowed: str = field(default="a whole number from 0 to 65535; or empty", init=False)

    def read(self, text: str) -> int | None:
        return Integer(0, 65535).read(text) if text else None


@frozen
class Proxies:
    """Addresses and networks of trusted proxies."""

    allowed: str = field(
        default="IP addresses and networks such as 10.0.0.0/8, separated by commas; or empty", init=False
    )

    def read(self, text: str) -> TrustedProxies:
        return TrustedProxies(tuple(_each_once(map(_network, _items(text)))))

    def remarks(self, text: str) -> Iterator[str]:
        for network in self.read(text).networks:
            if not network.prefixlen:
                yield f"{network} trusts everybody: any client can claim any address"


@frozen
class BackendNetworks:
    """Addresses and networks that hooks may go to."""

    allowed: str = field(
        default="IP addresses and networks such as 10.0.0.0/8, separated by commas; or empty", init=False
    )

    def read(self, text: str) -> HookNetworks:
        return HookNetworks(tuple(_each_once(map(_network, _items(text)))))


@frozen
class File:
    """An absolute path, or nothing (None)."""

    allowed: str = field(default="an absolute path; or empty", init=False)

    def read(self, text: str) -> Path | None:
        if text and not text.startswith("/"):
            raise ValueError("is not an absolute path")
        if "\0" in text:
            raise ValueError("holds a NUL character")
        return Path(text) if text else None


@frozen
class Text:
    """Any text, or nothing (None)."""

    allowed: str = field(default="any text; or empty", init=False)

    def read(self, text: str) -> str | None:
        return text or None


@frozen
class RecordTemplate:
    """The name of a recording, with elements in braces."""

    allowed: str = field(default=f"text with {', '.join(f'{{{name}}}' for name in ELEMENTS)}", init=False)

    def read(self, text: str) -> str:
        if not text:
            raise ValueError("is empty")
        for name in unknown_elements(text):
            raise ValueError(f"has an unknown element, {{{name}}}")
        return text


@frozen
class RecordRotation:
    """When the next file of a recording begins; None if the text is empty: never."""

    allowed: str = field(default=f"{ALLOWED_ROTATION}; or empty", init=False)

    def read(self, text: str) -> Rotation | None:
        return read_rotation(text) if text else None


@frozen
class AddressPair:
    """An address told to peers, and the address of this machine that receives for it (None: the same one)."""

    public: str
    local: str | None = None


@frozen
class LocalAddresses:
    """Addresses of this machine that media sockets are bound to."""

    allowed: str = field(default="IPv4 or IPv6 addresses of this machine, separated by commas; or empty", init=False)

    def read(self, text: str) -> tuple[str, ...]:
        return () if _is_every_address(text) else tuple(_each_once(map(media_address, _items(text))))

    def remarks(self, text: str) -> Iterator[str]:
        return _remarks_on_every_address(text)


@frozen
class AddressPairs:
    """Addresses told to peers, each alone or as `public/local`."""

    allowed: str = field(
        default="IPv4 or IPv6 addresses, each alone or as public/local, separated by commas; or empty", init=False
    )

    def read(self, text: str) -> tuple[AddressPair, ...]:
        return () if _is_every_address(text) else tuple(_each_once(map(_pair, _items(text))))

    def remarks(self, text: str) -> Iterator[str]:
        return _remarks_on_every_address(text)


def _is_every_address(text: str) -> bool:
    """How WCS writes that no address was chosen."""
    try:
        return ip_address(text).is_unspecified
    except ValueError:
        return False


def _remarks_on_every_address(text: str) -> Iterator[str]:
    if _is_every_address(text):
        yield f"{text} is treated as empty: every address of this machine"


def canonical_address(text: str) -> str:
    """The canonical spelling of an IP address. Raises ValueError for anything else, host names included."""
    try:
        return str(ip_address(text))
    except ValueError:
        raise ValueError("is not an IP address") from None


def media_address(text: str) -> str:
    """An address that a peer can send media to. Raises ValueError for one that names no single interface."""
    address = ip_address(canonical_address(text))
    if address.is_unspecified or address.is_multicast:
        raise ValueError(f"has {text}, which is not the address of one interface")
    if isinstance(address, IPv6Address) and (address.is_link_local or address.scope_id):
        raise ValueError(f"has {text}, a link-local address, which browsers cannot use")
    return str(address)


def _pair(text: str) -> AddressPair:
    public, slash, local = (part.strip() for part in text.partition("/"))
    if not slash:
        return AddressPair(media_address(public))
    pair = AddressPair(media_address(public), media_address(local))
    if (":" in public) != (":" in local):
        raise ValueError(f"pairs IPv4 with IPv6 in {text!r}")
    return pair


def _network(text: str) -> IpNetwork:
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"has {text!r}, which is neither an address nor a network") from None
    if "/" in text and str(network.network_address) != canonical_address(text.partition("/")[0]):
        raise ValueError(f"has {text}, whose network is {network}")
    if network.version == 6 and network.network_address.ipv4_mapped:
        raise ValueError(f"has {text}, which must be written as IPv4")
    return network


def _items(text: str) -> list[str]:
    return [item for item in map(str.strip, text.split(",")) if item]


def _each_once(items: "map[T]") -> list[T]:
    found = list(items)
    if len(set(found)) < len(found):
        raise ValueError("names an address twice")
    return found
