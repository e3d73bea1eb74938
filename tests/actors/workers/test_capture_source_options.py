"""What FFmpeg is told of sources."""

from pathlib import Path

import pytest

from actors.capture.sources import source_of
from config.settings import Settings
from protocol.capture.uri import read_capture_uri


@pytest.mark.parametrize(("checks", "told"), [(True, "1"), (False, "0")])
def test_whether_certificates_are_checked_is_always_told(checks: bool, told: str, tmp_path: Path) -> None:
    settings = Settings(ip=(), capture_tls_verify=checks)
    source = source_of(read_capture_uri("rtsps://camera.example/cam"), settings, tmp_path, name="cam", offset=0)
    assert source.job.options["tls_verify"] == told
