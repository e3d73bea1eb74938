"""Words for error messages: quoted and shortened, with the word that was probably meant."""

import difflib
from collections.abc import Iterable

MAX_SHOWN = 80
"""Characters of a remote word that are compared or shown."""


def nearest(word: str, candidates: Iterable[str]) -> str | None:
    """The candidate most similar to `word`, ignoring case; None if none is close."""
    if len(word) > MAX_SHOWN:
        return None
    folded = {candidate.casefold(): candidate for candidate in candidates}
    matches = difflib.get_close_matches(word.casefold(), folded, n=1, cutoff=0.6)
    return folded[matches[0]] if matches else None


def did_you_mean(word: str, candidates: Iterable[str]) -> str:
    """` (did you mean 'x'?)`, ready to be appended to a message; empty if nothing is close."""
    match = nearest(word, candidates)
    return f" (did you mean {match!r}?)" if match is not None else ""


def shortened(word: str) -> str:
    """`word` in quotes, control characters escaped, shortened if it is long."""
    return repr(word if len(word) <= MAX_SHOWN else f"{word[:MAX_SHOWN]}...")
