"""Lines of the log that are limited: how many of an event are written in a test depends on how long it takes."""

import logging

import pytest

from actors.runtime.logs import tell_suppressed


def left_out(caplog: pytest.LogCaptureFixture) -> set[str]:
    """The events of which lines were left out so far, since others had just been written."""
    with caplog.at_level(logging.INFO, "wcsd.log"):
        tell_suppressed()
    told = [record for record in caplog.records if record.getMessage() == "log lines left out"]
    return {vars(record)["wcsd_fields"]["line"] for record in told}
