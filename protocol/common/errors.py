"""The error that every parser of remote input raises.

Errors are distinguished by whose fault they are, as in h11: a `ProtocolError` means that the *remote* side sent
something it should not have. Misuse of our own code raises ordinary Python errors and is a bug.
"""


class ProtocolError(Exception):
    """The remote side broke its protocol.

    `message` says what is wrong, in words for that remote side; it never contains a secret or a traceback.
    `status_hint` is the appropriate HTTP status, for callers that answer over HTTP (400 to 599).
    """

    def __init__(self, message: str, *, status_hint: int = 400) -> None:
        super().__init__(message)
        self.message = message
        self.status_hint = status_hint
