"""Settings rendered as a settings file: the output of `--print-config`, and the file we ship."""

from collections.abc import Iterator, Mapping

from config.loading import Given, shown
from config.settings import TABLE, Setting

_HEADER = """\
# Settings of wcsd, in the names of Flashphoner WCS. Java properties syntax; values are trimmed.
# `wcsd --set key=value` overrides this file; `wcsd --check-config` checks it.
"""
_CHOSEN_HEADER = """\
# Settings of wcsd that are not the default; `wcsd --print-config` explains them all. Java properties syntax.
# `wcsd --check-config` checks this file, `wcs reload` makes the running server read it again.
"""
_CHOSEN_HINTS = """
# What most servers need next: a certificate that browsers accept, and, behind NAT, the public address.
# wss.cert=/etc/wcsd/certificate.pem
# wss.key=/etc/wcsd/key.pem
# ip=PUBLIC_ADDRESS/ADDRESS_OF_THIS_MACHINE
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


def chosen_file(given: Mapping[str, Given]) -> str:
    """A first settings file: the values that were given, and what most servers need next. Secrets are left out."""
    return _CHOSEN_HEADER + "".join(_chosen(known, given[known.key].text) for known in TABLE.values()) + _CHOSEN_HINTS


def _chosen(known: Setting, text: str) -> str:
    if text == known.default:
        return ""
    if shown(known, text) != text:
        return f"# {known.key}: a secret; write it here yourself, and let only the server's user read this file\n"
    return f"{known.key}={escaped(text)}\n"


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
