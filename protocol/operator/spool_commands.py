"""The operator's commands about hooks that are kept because they could not be delivered, as frozen objects."""

from collections.abc import Callable

from attrs import frozen

from protocol.operator.grammar import CommandError, Words

MOST_ROWS = 1000


@frozen(kw_only=True)
class ShowSpool:
    """`show spool [-d [--limit N]] [APP]`; bodies are not shown."""

    app: str | None = None
    detail: bool = False
    limit: int = 100


@frozen(kw_only=True)
class ReplaySpool:
    """`replay APP [--now]`"""

    app: str
    now: bool = False


@frozen(kw_only=True)
class DropSpool:
    """`drop spool APP`. Unless it `is_confirmed`, only the number of hooks is told."""

    app: str
    is_confirmed: bool = False


SpoolCommand = ShowSpool | ReplaySpool | DropSpool


def _build_show(words: Words) -> ShowSpool:
    written = words.options.get("limit", "100")
    if not (written.isascii() and written.isdecimal() and 1 <= int(written[:10]) <= MOST_ROWS):
        raise CommandError(f"--limit must be a number from 1 to {MOST_ROWS}")
    app = words.operands[0] if words.operands else None
    return ShowSpool(app=app, detail="detail" in words.options, limit=int(written))


BUILDERS: dict[str, Callable[[Words], SpoolCommand]] = {
    "show spool": _build_show,
    "replay": lambda words: ReplaySpool(app=words.operands[0], now="now" in words.options),
    "drop spool": lambda words: DropSpool(app=words.operands[0], is_confirmed="yes" in words.options),
}
