"""What `bin/test fast` leaves out."""

from pathlib import Path

import pytest

HERE = Path(__file__).parent
SLOW = {
    *("aiortc_peer", "crashes", "daemon", "ended_connections", "example_backend", "fast_sender", "fast_sender_runs"),
    *("full_stack", "launcher", "leaks", "media_joins", "media_recovery", "operator_commands", "operator_store"),
    *("rest_opening", "rest_server", "rest_shutdown", "server_status", "standard_streams", "start_checks", "wheel"),
}
"""They start processes, wait for real deadlines or do something a thousand times."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE) and item.path.stem.removeprefix("test_") in SLOW:
            item.add_marker("slow")
