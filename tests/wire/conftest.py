"""What `bin/test fast` leaves out, and cameras that many tests share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.capture.rtsp_source import Camera, MediaFile, make_media, rtsp_source

HERE = Path(__file__).parent
SLOW = {
    "aiortc_peer",
    "baresip",
    "call_faults",
    "call_kill",
    "call_media",
    "call_messages",
    "call_networks",
    "call_orders",
    "call_parking",
    "call_referral_races",
    "call_referrals",
    "call_srtp",
    "call_transfers",
    "calls",
    "candidates",
    "capture",
    "capture_codecs",
    "capture_files",
    "capture_names",
    "capture_sources",
    "capture_tls",
    "certificate",
    "client_socket",
    "cluster",
    "cluster_breaks",
    "cluster_clock",
    "cluster_failover",
    "cluster_link",
    "cluster_owned",
    "cluster_partial",
    "cluster_phones",
    "cluster_registry",
    "cluster_relay",
    "cluster_rows",
    "cluster_shared",
    "cluster_singles",
    "cluster_tls",
    "crashes",
    "daemon",
    "descriptors",
    "drain",
    "ended_connections",
    "example_backend",
    "fast_sender",
    "fast_sender_bursts",
    "full_stack",
    "gateway",
    "hook_transport_calls",
    "hook_transport_cancel",
    "http_files",
    "launcher",
    "leaks",
    "leaks_calls",
    "live_settings",
    "media_breaks",
    "media_joins",
    "media_life",
    "media_paths",
    "media_recovery",
    "media_tcp",
    "media_tcp_shaped",
    "node_failures",
    "nodes",
    "operator_accounts",
    "operator_commands",
    "operator_live",
    "operator_prompt",
    "operator_socket",
    "operator_store",
    "operator_trials",
    "operator_watch",
    "public_listeners",
    "push",
    "push_authentication",
    "push_sound",
    "pushes",
    "random_streams",
    "record_hook",
    "recorder",
    "records",
    "reload",
    "rest_flood",
    "rest_opening",
    "rest_server",
    "rest_shutdown",
    "sandbox",
    "sender_choice",
    "server_events",
    "server_status",
    "service_manager",
    "shared_recorders",
    "sip_endpoint",
    "sip_others",
    "sip_tls",
    "slow_disks",
    "snapshot_shares",
    "snapshots",
    "source_forwarder",
    "spool_over_a_kill",
    "ssh",
    "standard_streams",
    "start_checks",
    "start_failures",
    "wheel",
    "whip",
    "whip_codes",
    "whip_ffmpeg",
    "zygote",
}
"""They start processes, wait for real deadlines or do something a thousand times. In order, one a line."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE) and item.path.stem.removeprefix("test_") in SLOW:
            item.add_marker("slow")


@pytest.fixture(scope="session")
def h264(tmp_path_factory: pytest.TempPathFactory) -> MediaFile:
    """20 s of H264 and Opus."""
    return make_media(tmp_path_factory.mktemp("h264") / "cam.mkv", seconds=20)


@pytest.fixture(scope="session")
def camera(h264: MediaFile) -> Iterator[Camera]:
    """One for everybody; it begins anew for each client."""
    with rtsp_source(h264) as shared:
        yield shared


@pytest.fixture(scope="session")
def locked_camera(h264: MediaFile) -> Iterator[Camera]:
    """The same for users with a password."""
    with rtsp_source(h264, user="admin", password="s3cret") as shared:
        yield shared
