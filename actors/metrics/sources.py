"""Where each family's value comes from: plain ints that the parts of the server keep."""

import platform
from collections.abc import Callable, Mapping
from functools import partial
from itertools import product

import trio
from attrs import asdict

from actors.calls.all_calls.call_counts import PAGE, PHONE, RESULTS
from actors.calls.all_calls.services import CallServices
from actors.capture import Captures
from actors.hooks.dispatcher import HookDispatcher
from actors.media.plane import MediaPlane
from actors.media.statistics import MediaStatistics
from actors.metrics.census import Census
from actors.metrics.exposition import Readings, Source
from actors.metrics.measured import MeasuredServer
from actors.metrics.metrics import Metrics
from actors.metrics.sip_readings import sip_readings
from actors.runtime.logs import lines_by_level
from actors.workers.pushing.pushes import Pushes
from actors.workers.recording.recordings import Recordings
from actors.workers.snapshots.snapshots import Snapshots
from config.version import VERSION
from protocol.metrics.actor_counts import ActorCounts
from protocol.metrics.histogram import Histogram
from protocol.metrics.labels import DROPS, OTHER, PLAY, PUBLISH, Labels
from protocol.metrics.media_quality import MediaQuality


def metrics_of(server: MeasuredServer) -> Metrics:
    """The metrics of a server."""
    return Metrics(sources(server), Census(server.supervisor).take, web=server.web)


def sources(server: MeasuredServer) -> tuple[Source, ...]:
    """One for each group of families; each takes less than a millisecond."""
    counts = server.supervisor.counts
    return (
        lambda: _process(server, counts),
        lambda: _loop(server),
        lambda: _sessions(server, counts),
        lambda: _streams(counts),
        lambda: _media(server.plane, server.plane.statistics()),
        lambda: _hooks(server.dispatcher),
        lambda: _spool(server.dispatcher),
        lambda: _rooms(server.rooms.statistics()),
        lambda: _workers(server.recordings),
        lambda: _snapshots(server.snapshots),
        lambda: _pushes(server.pushes),
        lambda: _captures(server.captures),
        lambda: _web(server),
        *(() if server.calls is None else (partial(_calls, server.calls),)),
        *(() if server.sip is None else (partial(sip_readings, server.sip),)),
        *(() if server.cluster is None else (partial(_cluster, server.cluster),)),
        *(() if server.relays is None else (partial(_relays, server.relays),)),
    )


def _process(server: MeasuredServer, counts: ActorCounts) -> Readings:
    media = server.plane.statistics()
    built: dict[Labels, float] = {(VERSION, media.sender, platform.python_version()): 1}
    crashes = {**counts.crashes, "media": media.crashed}
    return {
        "wcsd_build_info": built,
        "wcsd_ready": int(server.is_ready()),
        "wcsd_draining": int(server.drain.is_on),
        "wcsd_certificate_expires_timestamp_seconds": server.certificate.expires,
        "wcsd_config_reloads_total": _labelled(server.reloads.results),
        "wcsd_config_last_reload_timestamp_seconds": server.reloads.last,
        "wcsd_crashes_total": _labelled(crashes),
        "wcsd_log_lines_total": _labelled(lines_by_level),
    }


def _loop(server: MeasuredServer) -> Readings:
    overload = server.overload
    return {
        "wcsd_loop_delay_seconds": overload.lags,
        "wcsd_loop_lag_seconds": overload.lag,
        "wcsd_loop_stood_still_seconds_total": overload.stood_still,
        "wcsd_loop_tasks": trio.lowlevel.current_statistics().tasks_living,
        "wcsd_overloaded": int(overload.is_on),
        "wcsd_overload_refused_total": overload.refused,
        "wcsd_gc_pause_seconds": _each(server.gc_pauses.seconds),
        "wcsd_actors": _labelled(server.supervisor.count_actors()),
        "wcsd_mailbox_peak_messages": _labelled(server.supervisor.counts.mailbox_peaks),
    }


def _sessions(server: MeasuredServer, counts: ActorCounts) -> Readings:
    data = server.data.statistics()
    return {
        "wcsd_sessions_started_total": counts.sessions_started,
        "wcsd_sessions_ended_total": _labelled(counts.sessions_ended),
        "wcsd_session_duration_seconds": counts.session_seconds,
        "wcsd_connections": server.gateway.connection_count,
        "wcsd_client_memory_bytes": server.gateway.client_memory,
        **_signalling(server),
        "wcsd_data_sent_total": data.data_sent,
        "wcsd_data_dropped_total": data.data_dropped,
        "wcsd_data_under_way": data.data_under_way,
    }


def _signalling(server: MeasuredServer) -> Readings:
    arrived, left = server.decoder.arrived, server.outboxes.left
    return {
        "wcsd_signalling_frames_total": _labelled({"in": arrived.frames, "out": left.frames}),
        "wcsd_signalling_bytes_total": _labelled({"in": arrived.bytes, "out": left.bytes}),
        "wcsd_signalling_refused_total": _labelled({**server.decoder.refused, **server.gateway.refused}),
        "wcsd_signalling_backlog_bytes": server.outboxes.bytes,
    }


def _streams(counts: ActorCounts) -> Readings:
    return {
        "wcsd_streams_started_total": _labelled(counts.streams_started),
        "wcsd_streams_ended_total": counts.streams_ended,
        "wcsd_stream_duration_seconds": _each(counts.stream_seconds),
        "wcsd_stream_setup_seconds": _each(counts.setup_seconds),
        "wcsd_terminations_total": counts.terminations,
        "wcsd_terminate_duration_seconds": counts.terminate_seconds,
    }


def _media(plane: MediaPlane, media: MediaStatistics) -> Readings:
    counted, handshakes = asdict(media), plane.handshake_counts
    receive, send = plane.socket_buffers
    return {
        "wcsd_media_packets_retransmitted_total": media.resent,
        "wcsd_media_drops_total": _labelled({reason: counted[reason] for reason in DROPS}),
        "wcsd_media_datagrams_total": media.datagrams,
        "wcsd_media_wake_ups_total": media.wake_ups,
        "wcsd_media_wake_up_interval_seconds": media.wake_up_interval_us / 1_000_000,
        "wcsd_media_peers": _labelled({PUBLISH: media.publishers, PLAY: media.players}),
        "wcsd_media_handshakes_pending": media.handshakes,
        "wcsd_media_handshakes_total": _labelled(handshakes.results),
        "wcsd_media_handshake_seconds": handshakes.seconds,
        **_quality(plane.quality),
        "wcsd_media_socket_buffer_bytes": _labelled({"in": receive, "out": send}),
        "wcsd_media_stun_checks_total": _labelled({"valid": media.stun_checks, "ignored": media.stun_ignored}),
        "wcsd_media_moves_total": media.moved,
        "wcsd_media_failures_total": media.failed,
        "wcsd_media_tcp_connections": media.tcp_connections,
        "wcsd_media_tcp_waiting_bytes": media.tcp_waiting,
        "wcsd_media_tcp_refused_total": media.tcp_refused,
        "wcsd_media_tcp_restarts_total": media.tcp_restarts,
    }


def _quality(quality: MediaQuality) -> Readings:
    paths = quality.paths.items()
    return {
        "wcsd_media_rtt_seconds": _each({way: path.round_trips for way, path in paths}),
        "wcsd_media_jitter_seconds": _each({way: path.jitter for way, path in paths}),
        "wcsd_media_loss_ratio": _each({way: path.losses for way, path in paths}),
        "wcsd_media_forward_delay_seconds": quality.forward_delay.seconds,
        "wcsd_media_key_frame_wait_seconds": quality.key_frame_waits,
    }


def _hooks(dispatcher: HookDispatcher) -> Readings:
    counts, now = dispatcher.sender.counts, dispatcher.statistics()
    connections = {
        "leased": now.connections_leased,
        "available": now.connections_available,
        "pending": now.connections_pending,
    }
    return {
        "wcsd_hook_calls_total": counts.calls,
        "wcsd_hook_duration_seconds": counts.seconds,
        "wcsd_hook_wait_seconds": _each(counts.waits),
        "wcsd_hook_retries_total": _labelled(counts.retries),
        "wcsd_hook_queue_length": counts.summed(dispatcher.backlog.lengths),
        "wcsd_hook_queue_bytes": dispatcher.backlog.weight,
        "wcsd_hook_drops_total": counts.drops,
        "wcsd_hook_connections": _labelled(connections),
        "wcsd_hook_breaker_state": counts.by_app(dispatcher.sender.breakers.states()),
        "wcsd_hook_breaker_transitions_total": counts.breaker_changes,
    }


def _spool(dispatcher: HookDispatcher) -> Readings:
    spool, counts = dispatcher.spool, dispatcher.sender.counts
    totals, now = spool.index.totals, spool.wall_clock()
    ages = ((key, max(0.0, now - total.oldest)) for key, total in totals.items() if total.oldest is not None)
    return {
        "wcsd_hook_spool_rows": counts.summed((key, total.rows) for key, total in totals.items()),
        "wcsd_hook_spool_bytes": spool.index.size,
        "wcsd_hook_spool_oldest_age_seconds": counts.largest(ages),
        "wcsd_hook_spool_commit_seconds": spool.commit_seconds,
        "wcsd_hook_spool_kept_total": spool.counts.kept,
        "wcsd_hook_spool_delivered_total": spool.counts.delivered,
        "wcsd_hook_spool_dropped_total": _labelled({"other": spool.counts.dropped, "end": spool.counts.dropped_ends}),
    }


def _rooms(rooms: Mapping[str, int]) -> Readings:
    """`rooms`: as `/?action=stat` shows them."""
    counters = ("joins", "messages", "events", "refused")
    return {
        "wcsd_rooms": rooms["rooms"],
        "wcsd_rooms_members": rooms["rooms_members"],
        **{f"wcsd_rooms_{name}_total": rooms[f"rooms_{name}"] for name in counters},
    }


def _calls(services: CallServices) -> Readings:
    counts = services.counts
    transfers: dict[Labels, float] = {each: counts.transfers[each] for each in product((PAGE, PHONE), RESULTS)}
    return {
        "wcsd_calls": counts.running,
        "wcsd_calls_up": counts.up,
        "wcsd_calls_ports": services.plane.calls.pairs.used,
        "wcsd_calls_started_total": _labelled({"in": 0, "out": 0} | counts.started),
        "wcsd_calls_ended_total": _labelled({"FINISH": 0, "BUSY": 0, "FAILED": 0} | counts.ended),
        "wcsd_calls_refused_total": _labelled({OTHER: 0} | counts.refused),
        "wcsd_calls_seconds_total": counts.seconds,
        "wcsd_calls_digits_total": counts.digits,
        "wcsd_sip_transfers_total": transfers,
    }


def _cluster(statistics: Callable[[], Mapping[str, int]]) -> Readings:
    counts = statistics()
    names = ("names", "names_here", "names_unconfirmed", "names_unreleased")
    gauges = ("up", "nodes", *names, "rooms_here", "rooms_joined")
    return {
        f"wcsd_{name}" if name.removeprefix("cluster_") in gauges else f"wcsd_{name}_total": value
        for name, value in counts.items()
    }


def _relays(statistics: Callable[[], Mapping[str, int]]) -> Readings:
    gauges = ("relay_streams_in", "relay_streams_out")
    return {f"wcsd_{name}" if name in gauges else f"wcsd_{name}_total": value for name, value in statistics().items()}


def _workers(recordings: Recordings) -> Readings:
    workers, counts = recordings.services.counts, asdict(recordings.counts) | asdict(recordings.files.script.counts)
    return {
        "wcsd_workers": _labelled(workers.running),
        "wcsd_workers_started_total": _labelled(workers.starts),
        "wcsd_workers_failed_total": _labelled(workers.failures),
        "wcsd_workers_hung_total": _labelled(workers.hangs),
        "wcsd_workers_disk_waits_total": _labelled(workers.disk_waits),
        "wcsd_recordings": len(recordings),
        **{f"wcsd_recordings_{name}_total": value for name, value in counts.items()},
    }


def _pushes(pushes: Pushes) -> Readings:
    counts = asdict(pushes.counts)
    return {"wcsd_pushes": len(pushes), **{f"wcsd_pushes_{name}_total": value for name, value in counts.items()}}


def _snapshots(snapshots: Snapshots) -> Readings:
    counts = asdict(snapshots.counts)
    return {
        "wcsd_snapshots": len(snapshots),
        **{f"wcsd_snapshots_{name}_total": value for name, value in counts.items()},
    }


def _captures(captures: Captures) -> Readings:
    counts = dict(captures.statistics())
    return {"wcsd_captures": counts.pop("captures"), **{f"wcsd_{name}_total": value for name, value in counts.items()}}


def _web(server: MeasuredServer) -> Readings:
    events = server.supervisor.events
    return {
        "wcsd_event_readers": events.readers,
        "wcsd_events_total": _labelled(events.counts),
        "wcsd_event_gaps_total": events.gaps,
        "wcsd_http_requests_total": server.web.requests,
        "wcsd_http_request_duration_seconds": _each(server.web.seconds),
        "wcsd_http_connections": _labelled(server.web.connections),
        "wcsd_http_refused_total": _labelled(server.web.refused),
        "wcsd_operator_commands_total": server.web.commands,
        "wcsd_audit_errors_total": server.access()["audit_lost"],
        "wcsd_auth_attempts_total": server.web.logins,
        "wcsd_bans": server.bans.count,
    }


def _labelled(counts: Mapping[str, int]) -> dict[Labels, float]:
    return {(name,): count for name, count in counts.items()}


def _each(histograms: Mapping[str, Histogram]) -> dict[Labels, Histogram]:
    return {(name,): each for name, each in histograms.items()}
