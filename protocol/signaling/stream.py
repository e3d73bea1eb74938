"""The life of one stream, as its owner and the backend are told of it.

              live()                     end()
    PENDING ----------> PUBLISHING ----------------> UNPUBLISHED   its user stopped it
       |         or       PLAYING  ----------------> STOPPED       its user stopped it
       |                      \\--------------------> FAILED        anything else
       \\-------------------------------------------> the same three

Every stream gets exactly one terminal status. Pages retry on FAILED and treat the other two as wanted, so only the
user's own stop may produce them (signalling reference, section 5.2).
"""

from protocol.signaling.statuses import StreamStatus


class StreamLife:
    """The status of one stream; no transition happens twice."""

    def __init__(self, *, published: bool) -> None:
        self._published = published
        self.status = StreamStatus.PENDING

    @property
    def is_over(self) -> bool:
        return self.status.is_terminal

    @property
    def is_live(self) -> bool:
        return self.status in (StreamStatus.PUBLISHING, StreamStatus.PLAYING)

    def live(self) -> bool:
        """Media runs. True when this moved the stream, so that PUBLISHING and PLAYING are told once."""
        if self.status is not StreamStatus.PENDING:
            return False
        self.status = StreamStatus.PUBLISHING if self._published else StreamStatus.PLAYING
        return True

    def end(self, *, by_user: bool) -> bool:
        """The stream is over. True when this ended it; the status is terminal from here on."""
        if self.is_over:
            return False
        self.status = ended_status(published=self._published, by_user=by_user)
        return True


def ended_status(*, published: bool, by_user: bool) -> StreamStatus:
    """The terminal status for an end wanted by the user or by anybody else."""
    if not by_user:
        return StreamStatus.FAILED
    return StreamStatus.UNPUBLISHED if published else StreamStatus.STOPPED
