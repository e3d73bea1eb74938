"""What a capture takes of the processors: what its process tells, and until then what such a one usually does."""

from actors.workers.capturing.processor_share import COPIED, TRANSCODED, ProcessorShare, usable_cores


def test_it_is_what_was_used_between_two_reports() -> None:
    share = ProcessorShare()
    share.take({"cpu_ms": 900}, 5.0)
    assert share.cores == COPIED, "the start costs more than what follows"
    share.take({"cpu_ms": 1400}, 10.0)
    assert share.cores == 0.1
    share.take({"cpu_ms": 1650}, 15.0)
    share.take({}, 20.0)
    assert share.cores == 0.05


def test_until_then_it_goes_by_what_is_done() -> None:
    share = ProcessorShare()
    share.expect_transcoding()
    assert share.cores == TRANSCODED
    assert usable_cores() >= 1
