"""URIs as people may see them: without user info, values of queries and stream keys, all of which may be secret.

    rtsp://***@camera.example/live?channel=***          rtmp://live.example/live2/***

Hooks and REST carry names as they were given, since filters and backends compare them; logs, events, the audit file,
the console, the command line and metrics show this form. `masked` of the console does the same
(`actors/web/pages/console/base/masking.js`).

A URI in a text ends at a blank, a quote or an angle bracket; one that begins the text ends with it, and one behind a
quote at that quote. What cannot be told apart is hidden rather than shown: a password, which may have any character
unescaped, and a path or a query with an @ in it, look alike.
"""

import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote

HIDDEN: Final = "***"
_MARKS: Final = ("://", "@", "?", "%3", "%25")
"""A text without any of these holds nothing to be masked."""
_SCHEME_CHARACTERS: Final = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+.-"
_MEMBERS: Final = ("sip:", "sips:", "mailto:", "xmpp:", "acct:")
"""Of these URIs the part before the @ is no secret, but whom they name."""
_WORDS: Final = re.compile(
    r"""(?P<quote>["'])[A-Za-z0-9+.-]*://(?:\\.|(?!(?P=quote))[^\\])*|[^\s"'<>]+""", re.ASCII | re.DOTALL
)
_ESCAPED_SLASHES: Final = re.compile("%(?:25)*3A%(?:25)*2F%(?:25)*2F", re.IGNORECASE)
_HOST: Final = re.compile(r"(?:\[[0-9A-Fa-f:.%]*\]|[^:\[\]]*)(?::[0-9]{0,5})?", re.ASCII)
_BLANKS: Final = " \t\n\r\f\v"
_PUNCTUATION: Final = ":,;.)}`"
"""Of a sentence in which a URI ends with its host."""
_RTMP: Final = frozenset({"rtmp", "rtmps", "rtmpt", "rtmpe", "rtmpte", "rtmpts"})
_MOST_ESCAPES: Final = 8
"""Times that a URI may be escaped in another."""


def masked(text: str) -> str:
    """The text with every URI in it masked; any other text as it is. What is masked stays as it is.

    A text that could be read in another way once it is masked is hidden as a whole.
    """
    if not holds_uri(text):
        return text
    shown = _masked_once(text)
    return shown if _masked_once(shown) == shown else HIDDEN


def _masked_once(text: str) -> str:
    scheme, found, _ = text.partition("://")
    if found and not scheme.strip(_SCHEME_CHARACTERS):
        return masked_uri(text)
    return _WORDS.sub(lambda found: _word(found[0]), text)


def holds_uri(text: str) -> bool:
    """Whether there may be something to be masked: false for most texts, and soon known."""
    return any(mark in text for mark in _MARKS)


def masked_uri(uri: str) -> str:
    """What is meant to be a URI, whatever it is: as `masked`, if it has no scheme either."""
    scheme, slashes, rest = uri.partition("://")
    if not slashes:
        return _authority_and_rest("", uri)
    if scheme.strip(_SCHEME_CHARACTERS):
        scheme = HIDDEN
    return f"{scheme}://{_authority_and_rest(scheme.lower(), rest)}"


def _unescaped(word: str) -> str:
    for _ in range(_MOST_ESCAPES):
        word = unquote(word)
        if "://" in word:
            return _word(word)
    return HIDDEN


def _word(word: str) -> str:
    """A part of a text without blanks and quotes, or a URI behind a quote."""
    if "://" in word:
        before, _, _ = word.partition("://")
        lead = before.rstrip(_SCHEME_CHARACTERS)
        if ":" in lead and ("@" in word or "%40" in word):  # the :// may be in a password
            return HIDDEN
        return _bare(lead) + masked_uri(word[len(lead) :])
    return _bare(word)


def _bare(word: str) -> str:
    """A word that may be a URI without its scheme, `user:password@host/path?query`, or one that is escaped."""
    if _ESCAPED_SLASHES.search(word):
        return _unescaped(word)
    before, at, after = word.rpartition("@")
    if before and at and not _names_member(before) and (":" in before or "/" in after):
        return _authority_and_rest("", word)
    path, mark, query = word.partition("?")
    return path + mark + (_values(query) if "=" in query else query)


def _names_member(before: str) -> bool:
    scheme = next((each for each in _MEMBERS if before.lower().startswith(each)), None)
    return scheme is not None and ":" not in before[len(scheme) :]


def _authority_and_rest(scheme: str, text: str) -> str:
    """What is behind the scheme."""
    authority, rest = _parted(text, "/?#")
    if "@" in rest:
        return HIDDEN
    _, at, host = authority.replace("%40", "@").rpartition("@")
    host, told = _parted(host, _BLANKS)
    if not _HOST.fullmatch(host.rstrip(_PUNCTUATION)):
        host = HIDDEN
    return (f"{HIDDEN}@" if at else "") + host + "".join(_path_and_query(scheme, told + rest))


def _path_and_query(scheme: str, text: str) -> Iterator[str]:
    path, rest = _parted(text, "?#")
    if scheme in _RTMP:
        application, _, key = path[1:].partition("/")
        path = path[:1] + application + (f"/{HIDDEN}" if key else "")
    lead, equals, _ = path.partition("=")
    if equals:  # a camera's: /user=admin&password=secret&channel=1.sdp?real
        folder, slash, _ = lead.rpartition("/")
        path = folder + slash + _values(path[len(folder + slash) :])
    escaped = _ESCAPED_SLASHES.search(path)
    if escaped:
        path = path[: path.rfind("/", 0, escaped.start()) + 1] + HIDDEN
    yield path
    if rest:
        yield rest[0] + _values(rest[1:])


def _values(query: str) -> str:
    """Names of parameters, without their values; a word that is none may be a token."""
    pairs = re.split("([&;])", query)
    return "".join(pair if pair in "&;" else _without_value(pair) for pair in pairs)


def _without_value(pair: str) -> str:
    name, equals, value = pair.partition("=")
    if not equals:
        return HIDDEN
    return f"{name}={HIDDEN if value else ''}"


def _parted(text: str, ends: str) -> tuple[str, str]:
    """The text up to the first of some characters, and the rest from there on."""
    end = min((place for each in ends if (place := text.find(each)) >= 0), default=len(text))
    return text[:end], text[end:]
