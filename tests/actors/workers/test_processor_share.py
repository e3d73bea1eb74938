"""How many cores captures have a share of."""

import os
from pathlib import Path

from actors.workers.capturing.processor_share import usable_cores


def test_the_quota_of_a_container_or_service_counts_where_it_is_less_than_the_cores(tmp_path: Path) -> None:
    own, service = tmp_path / "own", tmp_path / "system.slice" / "wcsd.service"
    service.mkdir(parents=True)
    cores = float(len(os.sched_getaffinity(0)))
    assert usable_cores(tmp_path, own) == cores
    own.write_text("0::/system.slice/wcsd.service\n")
    assert usable_cores(tmp_path, own) == cores
    (service / "cpu.max").write_text("max 100000\n")
    assert usable_cores(tmp_path, own) == cores
    (service / "cpu.max").write_text("40000 100000\n")
    assert usable_cores(tmp_path, own) == 0.4
    (tmp_path / "system.slice" / "cpu.max").write_text("25000 100000\n")
    assert usable_cores(tmp_path, own) == 0.25
    own.write_text("0::/\n")
    assert usable_cores(tmp_path, own) == cores
    (tmp_path / "cpu.max").write_text("10000 100000\n")
    assert usable_cores(tmp_path, own) == 0.1
    (tmp_path / "cpu.max").write_text("\n")
    assert usable_cores(tmp_path, own) == cores
