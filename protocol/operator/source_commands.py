"""The operator's commands about sources that have names, as frozen objects."""

from collections.abc import Callable

from attrs import field, frozen

from protocol.operator.grammar import Words


@frozen(kw_only=True)
class ShowSources:
    """`show sources`"""


@frozen(kw_only=True)
class AddSource:
    """`add source NAME URI`"""

    name: str
    uri: str = field(repr=False)


@frozen(kw_only=True)
class UpdateSource:
    """`update source NAME URI`"""

    name: str
    uri: str = field(repr=False)


@frozen(kw_only=True)
class RemoveSource:
    """`remove source NAME`"""

    name: str


SourceCommand = ShowSources | AddSource | UpdateSource | RemoveSource

BUILDERS: dict[str, Callable[[Words], SourceCommand]] = {
    "show sources": lambda words: ShowSources(),
    "add source": lambda words: AddSource(name=words.operands[0], uri=words.operands[1]),
    "update source": lambda words: UpdateSource(name=words.operands[0], uri=words.operands[1]),
    "remove source": lambda words: RemoveSource(name=words.operands[0]),
}
