"""Settings rendered as a settings file: the output of `--print-config`, and the file we ship."""

from collections.abc import Iterator, Mapping

from config.loading import Given, shown
from config.settings import TABLE, Setting

_HEADER = """\
# Settings of wcsd, in the names of Flashphoner WCS. Java properties syntax; values are trimmed.
# `wcsd --set key=value` overrides this file; `wcsd --check-config` checks it.
"""


def shipped_file() -> str:
    """The file that comes with the server: every key, its meaning, what is allowed, its default."""
    return _HEADER + "".join(f"{_described(known)}\n{known.key}={known.default}\n" for known in TABLE.values())


def effective_file(given: Mapping[str, Given]) -> str:
    """A settings file of the effective values, each with its origin. Secrets are masked."""
    return "".join(
        f"{_described(known)}\n# from: {given[key].origin}\n{key}={escaped(shown(known, given[key].text))}\n"
        for key, known in TABLE.items()
    )


def escaped(value: str) -> str:
    """A value as it is written after `=` in a properties file."""
    return "".join(_escaped(character) for character in value)


def _described(known: Setting) -> str:
    return "\n".join(_comment(known))


def _comment(known: Setting) -> Iterator[str]:
    if known.heading:
        yield f"\n# {known.heading}\n# {'-' * len(known.heading)}"
    yield f"\n# {known.meaning}"
    yield f"# allowed: {known.kind.allowed}"
    yield f"# changes: {'by a reload' if known.live else 'at a restart'}"


def _escaped(character: str) -> str:
    if character == "\\":
        return "\\\\"
    if character.isprintable():
        return character
    units = character.encode("utf-16-be")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))
