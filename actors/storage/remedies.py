"""What an operator can do about an error of the system."""

import errno
from collections.abc import Mapping
from typing import Final

_REMEDIES: Final[Mapping[int, str]] = {
    errno.EMFILE: "raise LimitNOFILE of the service, ulimit -n",
    errno.ENOSPC: "free some space there, or name another folder by --state",
    errno.EDQUOT: "raise the quota of the server's user, or name another folder by --state",
    errno.EROFS: "mount it for writing, or name another folder by --state",
    errno.EACCES: "give it to the server's user, or name another folder by --state",
    errno.EPERM: "give it to the server's user, or name another folder by --state",
}


def in_words(error: OSError) -> str:
    """What happened to which file, and what the operator can do about it."""
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror or error}{remedy_for(error)}"


def remedy_for(error: OSError) -> str:
    """In parentheses, after what the system says of a file of the state folder; "" where there is no advice."""
    advice = _REMEDIES.get(error.errno or 0)
    return f" ({advice})" if advice else ""
