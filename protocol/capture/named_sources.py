"""Sources that have names (aliases): pages play `lobby`, and never learn the URI of the camera, nor its password."""

from collections.abc import Iterable
from typing import Final

from attrs import Attribute, field, frozen

from protocol.capture.uri import BadCaptureUri, CaptureUri, read_capture_uri
from protocol.common.masking import masked
from protocol.common.suggestions import did_you_mean, shortened

MAX_NAME_LENGTH: Final = 128
MAX_SOURCES: Final = 10_000


class SourceError(ValueError):
    """A source, or a change to one, that cannot be accepted. The message is for operators, and has no URI in it.

    `field`: what is invalid; `entry`: the kind and index of the source in a file; `is_taken`: the name is.
    """

    def __init__(
        self,
        message: str,
        *,
        field: str | None = None,
        entry: tuple[str, int] | None = None,
        is_taken: bool = False,
        is_unknown: bool = False,
    ) -> None:
        super().__init__(message if field is None else f"{field}: {message}")
        self.field = field
        self.entry = entry
        self.is_taken = is_taken
        self.is_unknown = is_unknown


def _name(_: object, __: "Attribute[str]", name: object) -> None:
    if not isinstance(name, str) or not name:
        raise SourceError("must be text", field="name")
    if len(name) > MAX_NAME_LENGTH:
        raise SourceError(f"must not be longer than {MAX_NAME_LENGTH} characters", field="name")
    if not name.isprintable() or name != name.strip() or name.startswith("-") or "://" in name:
        raise SourceError(
            f"{shortened(masked(name))} must not start with '-', begin or end with a blank, or hold :// or a control"
            " character",
            field="name",
        )


def _uri(_: object, __: "Attribute[str]", uri: object) -> None:
    try:
        read_capture_uri(uri if isinstance(uri, str) else "")
    except BadCaptureUri as error:
        raise SourceError(str(error), field="uri") from None


@frozen(kw_only=True)
class NamedSource:
    """A name of streams, and where its media comes from."""

    name: str = field(validator=_name)
    uri: str = field(validator=_uri, repr=False)

    @property
    def read(self) -> CaptureUri:
        """The URI, understood."""
        return read_capture_uri(self.uri)

    @property
    def shown(self) -> str:
        """The URI as people may see it."""
        return masked(self.uri)


@frozen
class SourceTable:
    """All sources that have names, which are unique."""

    sources: tuple[NamedSource, ...] = ()
    _by_name: dict[str, NamedSource] = field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        self._by_name.update({source.name: source for source in self.sources})
        if len(self._by_name) < len(self.sources):
            raise SourceError("two sources have the same name", field="name")
        if len(self.sources) > MAX_SOURCES:
            raise SourceError(f"there must not be more than {MAX_SOURCES} sources")

    @_by_name.default
    def _no_names(self) -> dict[str, NamedSource]:
        return {}

    def by_name(self, name: str) -> NamedSource | None:
        """The source of this name."""
        return self._by_name.get(name)

    def known(self, name: str) -> NamedSource:
        """The same. SourceError if there is none."""
        found = self.by_name(name)
        if found is None:
            hint = did_you_mean(name, list(self._by_name))
            raise SourceError(f"unknown source {shortened(masked(name))}{hint}", is_unknown=True)
        return found

    def added(self, source: NamedSource) -> "SourceTable":
        """With one more. SourceError if its name is taken."""
        if self.by_name(source.name) is not None:
            raise SourceError(
                f"source {source.name!r} is there already, with another URI; change it by 'update source'",
                is_taken=True,
            )
        return SourceTable((*self.sources, source))

    def replaced(self, source: NamedSource) -> "SourceTable":
        """With this one in place of the one of its name."""
        return SourceTable(tuple(source if each.name == source.name else each for each in self.sources))

    def without(self, name: str) -> "SourceTable":
        """Without the one of this name."""
        return SourceTable(tuple(each for each in self.sources if each.name != name))


def entries(sources: Iterable[NamedSource]) -> list[dict[str, str]]:
    """What lists of sources show."""
    return [{"name": source.name, "uri": source.shown} for source in sources]
