"""How much of a cluster an answer covers. Without a cluster, there is none."""

from urllib.parse import quote

from attrs import frozen

MOST_NAMED = 20
"""Nodes named in a header."""
_LONGEST_NAME = 200


@frozen(kw_only=True)
class Coverage:
    """Which nodes have answered."""

    asked: int
    """How many nodes there are, this one included; as far as it is known."""
    silent: tuple[str, ...] = ()
    """Those of them that have not answered in time."""
    is_cut_off: bool = False
    """Whether this node cannot ask the others now, nor say who they are."""
    is_decided: bool = False
    """Whether no other answer could change anything: the one stream that can match has been found."""

    @property
    def is_complete(self) -> bool:
        """Whether what is known now is the whole truth."""
        return self.is_decided or not (self.silent or self.is_cut_off)

    @property
    def answered(self) -> int:
        return self.asked - len(self.silent)

    @property
    def shown(self) -> str:
        """`answered/asked`"""
        return f"{self.answered}/{'?' if self.is_cut_off else self.asked}"

    @property
    def missing(self) -> str:
        """The silent nodes, separated by commas; `*`: all others. What a header cannot hold is percent-encoded."""
        if self.is_cut_off:
            return "*"
        return ",".join(
            quote(node[:_LONGEST_NAME], safe="@:/[]", errors="replace") for node in self.silent[:MOST_NAMED]
        )
