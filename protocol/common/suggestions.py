"""Words in error messages: quoted and bounded, with the word that was probably meant."""

import difflib
from collections.abc import Iterable

MAX_SHOWN = 80
"""Characters of a foreign word that are looked at or shown."""


def nearest(word: str, candidates: Iterable[str]) -> str | None:
    """The candidate that looks most like `word`, case aside; None if none comes close."""
    if len(word) > MAX_SHOWN:
        return None
    folded = {candidate.casefold(): candidate for candidate in candidates}
    matches = difflib.get_close_matches(word.casefold(), folded, n=1, cutoff=0.6)
    return folded[matches[0]] if matches else None


def did_you_mean(word: str, candidates: Iterable[str]) -> str:
    """` (did you mean 'x'?)`, ready to be added to a message; empty if nothing comes close."""
    match = nearest(word, candidates)
    return f" (did you mean {match!r}?)" if match is not None else ""


def shortened(word: str) -> str:
    """`word` in quotes, its control characters escaped, cut if it is long."""
    return repr(word if len(word) <= MAX_SHOWN else f"{word[:MAX_SHOWN]}...")
