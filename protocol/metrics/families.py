"""Every family of `/metrics`: its name, what it counts, its labels. docs/operating.md has the same table.

Names follow Prometheus: counters end in `_total`, times are in seconds, sizes in bytes. A counter never has the name of
a gauge with `_total` after it: the client library takes both for the same family.
"""

from enum import StrEnum
from typing import Final

from attrs import frozen

PREFIX: Final = "wcsd_"


class FamilyKind(StrEnum):
    """The type of a family, as the text format names it."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@frozen
class Family:
    """One family. `meaning` is its HELP line."""

    name: str
    kind: FamilyKind
    meaning: str
    labels: tuple[str, ...] = ()


def counter(name: str, meaning: str, *labels: str) -> Family:
    """What only grows while the server runs."""
    return Family(f"{PREFIX}{name}", FamilyKind.COUNTER, meaning, labels)


def gauge(name: str, meaning: str, *labels: str) -> Family:
    """What is now."""
    return Family(f"{PREFIX}{name}", FamilyKind.GAUGE, meaning, labels)


def histogram(name: str, meaning: str, *labels: str) -> Family:
    """How values are distributed."""
    return Family(f"{PREFIX}{name}", FamilyKind.HISTOGRAM, meaning, labels)


PROCESS: Final = (
    gauge("build_info", "1; the labels say what runs", "version", "sender", "python"),
    gauge("ready", "1 while the server accepts clients, as /readyz says"),
    gauge("draining", "1 while no new publications are taken, until the last one has ended"),
    gauge("certificate_expires_timestamp_seconds", "when the certificate of wss and https expires, since 1970"),
    counter("config_reloads_total", "reloads of the settings; refused: nothing has changed", "result"),
    gauge("config_last_reload_timestamp_seconds", "when the last one was taken, since 1970; 0: none since the start"),
    counter("crashes_total", "defects of the server that ended a stream, session, room, call, or peer's media", "part"),
    counter("log_lines_total", "lines written to the log", "level"),
)
LOOP: Final = (
    histogram(
        "loop_delay_seconds",
        "how late a task gets its turn, counted once for each 50 ms; probed every 0.25 s while there is no lag",
    ),
    gauge("loop_lag_seconds", "the same, smoothed, as overload.max_loop_lag is compared with"),
    counter("loop_stood_still_seconds_total", "seconds for which nothing ran, beyond the first one of each time"),
    gauge("loop_tasks", "tasks of the event loop"),
    gauge("overloaded", "1 while nothing new is taken on"),
    counter("overload_refused_total", "what was refused because of overload"),
    histogram("gc_pause_seconds", "pauses of the garbage collector, in which nothing runs", "generation"),
    gauge("actors", "sessions, streams, rooms and calls that run", "kind"),
    gauge("mailbox_peak_messages", "the most messages that waited in one mailbox of those that have ended", "kind"),
)
SESSIONS: Final = (
    gauge("sessions", "sessions", "app", "status"),
    counter("sessions_started_total", "clients that were let in, or not", "app", "result"),
    counter("sessions_ended_total", "sessions that have ended, those refused included", "cause"),
    histogram("session_duration_seconds", "lives of sessions that have ended"),
    gauge("connections", "WebSocket connections, those in their handshake included"),
    gauge("client_memory_bytes", "bytes of max_client_memory in use"),
    counter("signalling_frames_total", "frames from clients (in) and to them (out)", "direction"),
    counter("signalling_bytes_total", "the same in characters, nearly all of them one byte", "direction"),
    counter("signalling_refused_total", "connections and frames refused: by the limit's setting, or why", "reason"),
    gauge("signalling_backlog_bytes", "bytes of max_outbox_total that wait for clients to read"),
    counter("data_sent_total", "data of backends sent to clients, counted for each receiver"),
    counter("data_dropped_total", "the same that max_outbox_total had no room for"),
    gauge("data_under_way", "broadcasts that have not reached all of their receivers"),
)
STREAMS: Final = (
    gauge("streams", "streams", "direction", "status"),
    gauge("stream_codecs", "streams with this codec", "direction", "kind", "codec"),
    counter("streams_started_total", "streams that were started", "direction"),
    counter("streams_ended_total", "streams that have ended", "direction", "cause"),
    histogram("stream_duration_seconds", "lives of streams that have ended", "direction"),
    histogram("stream_setup_seconds", "from the request to the first media, or to a player's connection", "direction"),
    gauge("audience_max_viewers", "players of the publication that has the most"),
    counter("terminations_total", "terminates by REST and wcs; late: not all had ended in time", "source", "result"),
    histogram("terminate_duration_seconds", "from a terminate to the end of the last stream or session it matched"),
)
MEDIA: Final = (
    counter("media_packets_total", "RTP packets received from publishers, and sent to players", "direction"),
    counter("media_bytes_total", "the same in bytes, without encryption", "direction"),
    counter("media_packets_lost_total", "RTP packets that never came; of players: as they report", "direction"),
    counter("media_packets_retransmitted_total", "RTP packets sent to players again"),
    counter("media_nacks_total", "RTP packets asked for again by the receiver", "direction"),
    counter("media_plis_total", "key frames asked for by the receiver", "direction"),
    counter("media_drops_total", "packets that came, or were to be sent, and were dropped", "reason"),
    counter("media_datagrams_total", "datagrams received"),
    counter("media_wake_ups_total", "wake-ups of the media plane"),
    gauge("media_wake_up_interval_seconds", "the rest between two wake-ups; 0: none"),
    gauge("media_peers", "WebRTC peers", "direction"),
    gauge("media_handshakes_pending", "DTLS handshakes under way"),
    counter("media_handshakes_total", "DTLS handshakes; unfinished: the peer was gone before", "result"),
    histogram("media_handshake_seconds", "from a peer's first valid check to its keys"),
    histogram("media_rtt_seconds", "round trips, about one per second and peer that measures it", "direction"),
    histogram(
        "media_jitter_seconds", "jitter of arrivals, by receiver reports: about one per second and track", "direction"
    ),
    histogram("media_loss_ratio", "the share of packets lost between two receiver reports on a track", "direction"),
    histogram("media_forward_delay_seconds", "how long the oldest packet of a wake-up was in the server"),
    histogram("media_key_frame_wait_seconds", "from a player's connection to the key frame that it begins with"),
    gauge("media_socket_buffer_bytes", "the system's buffer for datagrams, of the socket with the least", "direction"),
    counter("media_stun_checks_total", "STUN messages: valid checks, and what was ignored", "result"),
    counter("media_moves_total", "peers whose media went on by another path"),
    counter("media_failures_total", "streams whose media failed"),
    gauge("media_tcp_connections", "TCP connections for media"),
    gauge("media_tcp_waiting_bytes", "bytes that wait to be written to them"),
    counter("media_tcp_refused_total", "TCP connections that were closed as unwanted"),
    counter("media_tcp_restarts_total", "viewers by TCP that went on from a key frame, because their link was slow"),
)
HOOKS: Final = (
    counter("hook_calls_total", "hooks, by how they ended, retries not counted", "app", "method", "outcome"),
    histogram("hook_duration_seconds", "from the start of a hook to its answer, retries included", "app", "method"),
    histogram("hook_wait_seconds", "from the moment a hook is due to its turn in the session's lane", "app"),
    counter("hook_retries_total", "hooks sent again", "app"),
    gauge("hook_queue_length", "hooks that wait", "app"),
    gauge("hook_queue_bytes", "memory of hooks that wait or are under way"),
    counter(
        "hook_drops_total", "hooks dropped, as too many waited; kind `end`: those that told of an end", "app", "kind"
    ),
    gauge("hook_connections", "connections to backends; `pending`: calls that wait for one", "state"),
    gauge("hook_breaker_state", "1 for the state of the breaker of the application's backend", "app", "state"),
    counter("hook_breaker_transitions_total", "changes of that state", "app", "to"),
    gauge("hook_spool_rows", "hooks that are kept because they could not be delivered", "app"),
    gauge("hook_spool_bytes", "the same in bytes"),
    gauge("hook_spool_oldest_age_seconds", "age of the oldest of them", "app"),
    histogram("hook_spool_commit_seconds", "how long it took to write some of them"),
    counter("hook_spool_kept_total", "hooks that were kept"),
    counter("hook_spool_delivered_total", "kept hooks that were answered later"),
    counter("hook_spool_dropped_total", "kept hooks that were too old or too many; kind as above", "kind"),
)
ROOMS: Final = (
    gauge("rooms", "rooms in use"),
    gauge("rooms_members", "members of all rooms"),
    counter("rooms_joins_total", "joins"),
    counter("rooms_messages_total", "messages of members"),
    counter("rooms_events_total", "events sent to members"),
    counter("rooms_refused_total", "joins, messages and commands that were refused"),
)
WORKERS: Final = (
    gauge("workers", "worker processes that run", "program"),
    counter("workers_started_total", "worker processes that were started", "program"),
    counter("workers_failed_total", "worker processes that ended before their job was done", "program"),
    counter("workers_hung_total", "worker processes that were killed because they reported nothing", "program"),
    counter("workers_disk_waits_total", "times that a worker was silent for long, waiting for its disk", "program"),
    gauge("recordings", "recordings that run"),
    counter("recordings_started_total", "recordings that began and have ended"),
    counter("recordings_finished_total", "recordings that left a file"),
    counter("recordings_files_total", "finished files"),
    counter("recordings_failed_total", "recordings that ended by a fault: the process died, or the disk was full"),
    counter("recordings_refused_total", "recordings that were refused because of a setting or a limit"),
    counter("recordings_restarted_total", "processes that went on with a recording after another one had died"),
    counter("recordings_rescued_total", "files of an earlier server that were finished at the start"),
    counter("recordings_scripts_total", "runs of on_record_hook_script"),
    counter("recordings_scripts_failed_total", "files for which on_record_hook_script failed, or was not run"),
    counter("recordings_bytes_total", "bytes of finished files"),
    gauge("snapshots", "pictures of streams that are waited for"),
    counter("snapshots_taken_total", "pictures that were taken"),
    counter("snapshots_shared_total", "requests that got a picture taken for another one"),
    counter("snapshots_failed_total", "pictures that could not be taken"),
    counter("snapshots_late_total", "those of them for which no key frame came in time"),
    counter("snapshots_refused_total", "requests refused because of snapshot.max_waiting"),
    gauge("pushes", "pushes to RTMP servers that run"),
    counter("pushes_started_total", "pushes that began"),
    counter("pushes_published_total", "connections of pushes whose target took the stream"),
    counter("pushes_retried_total", "further connections of pushes, after the first one was lost or never made"),
    counter("pushes_failed_total", "pushes that ended because their target was lost or never reached, or by a fault"),
    counter("pushes_refused_total", "pushes that were refused because of a setting, a limit or overload"),
    counter("pushes_bytes_total", "bytes sent to targets, of connections that have ended"),
    gauge("captures", "captures that run"),
    counter("captures_started_total", "captures whose media flowed, and that have ended"),
    counter("captures_failed_total", "captures whose source could not be opened"),
    counter("captures_refused_total", "captures that were refused because of a setting or a limit"),
    counter("captures_denied_total", "connections and names that capture.allow refused"),
    counter("captures_reconnects_total", "sources that were lost and connected to again"),
)
WEB: Final = (
    counter("http_requests_total", "HTTP requests that were answered", "route", "method", "code"),
    histogram("http_request_duration_seconds", "from the request's head to the response's head", "route"),
    gauge("http_connections", "connections to http.port and https.port", "listener"),
    counter("http_refused_total", "what never became a request: by the limit's setting, or why", "reason"),
    counter("operator_commands_total", "commands of wcs", "command", "result"),
    counter("audit_errors_total", "lines of the audit file that could not be written"),
    counter("auth_attempts_total", "requests that had to show who sends them", "scheme", "result"),
    gauge("event_readers", "programs that read /rest-api/events"),
    counter("events_total", "events that happened, whether somebody read them or not", "type"),
    counter("event_gaps_total", "how often a reader had missed events"),
    gauge("bans", "bans in force"),
)

CALLS: Final = (
    gauge("calls", "calls, those that ring included"),
    gauge("calls_up", "calls that have been answered"),
    gauge("calls_ports", "pairs of UDP ports that phones' media has, or has had a moment ago"),
    counter("calls_started_total", "calls; out: a page calls, in: a page is called", "direction"),
    counter("calls_ended_total", "calls that have ended, by their last status", "status"),
    counter("calls_refused_total", "calls that were refused for a limit, by its setting, or otherwise", "reason"),
    counter("calls_seconds_total", "how long ended calls have lasted, from the answer on"),
    counter("calls_digits_total", "digits that pages or REST have sent"),
)
SIP: Final = (
    gauge("sip_registrations", "registrations at SIP servers; `failed`: some are tried again", "state"),
    counter("sip_registrations_failed_total", "times that a SIP server has not registered an account, or was silent"),
    gauge("sip_transactions", "SIP requests that are under way; client: of ours", "kind"),
    gauge("sip_connections", "connections of SIP by TCP and TLS"),
    counter("sip_requests_total", "SIP requests, those sent again included", "direction", "method"),
    counter("sip_responses_total", "SIP responses, those sent again included", "direction", "class"),
    counter("sip_retransmissions_total", "SIP messages sent again, and requests that came again", "direction"),
    counter("sip_dropped_total", "SIP messages that were not looked at, or not understood", "reason"),
    counter("sip_unsent_total", "SIP messages that could not be sent"),
    counter("sip_overloaded_total", "SIP requests answered by 503, since too many were under way"),
    counter("sip_denied_total", "times that a page named a server that is not among sip.servers"),
    counter("sip_calls_refused_total", "calls from SIP servers that nobody took"),
    counter("sip_transfers_total", "transfers that are over, or were refused; by: who has ordered it", "by", "result"),
)
"""Only with sip.servers, as CALLS."""

CLUSTER: Final = (
    gauge("cluster_up", "1 while Redis answers"),
    gauge("cluster_nodes", "nodes alive, as far as this one knows"),
    gauge("cluster_names", "names held in the cluster"),
    gauge("cluster_names_here", "names held, or wanted, by publications of this node"),
    gauge("cluster_names_unconfirmed", "those of them that the registry has not confirmed"),
    gauge("cluster_names_unreleased", "names given back whose end the registry has not acknowledged"),
    counter("cluster_names_lost_total", "streams that ended because another node has their name"),
    gauge("cluster_singles_here", "groups of recordings, calls and keyed requests that this node has in the cluster"),
    counter(
        "cluster_singles_lost_total",
        "claims that another node has: such groups and calls ended, such keyed requests were carried out twice",
    ),
    counter("cluster_outages_total", "times that Redis ceased to answer"),
    counter("cluster_gaps_total", "times that messages of other nodes may have been missed"),
    counter("cluster_requests_total", "requests to other nodes"),
    counter("cluster_unanswered_total", "nodes that did not answer one in time"),
    counter("cluster_answered_total", "requests of other nodes that were answered"),
    counter("cluster_caught_up_total", "requests of other nodes that were missed, and carried out later"),
    counter("cluster_refused_total", "messages of other nodes not understood, or without room"),
    gauge("cluster_rows_unsent", "rows of shared tables that were changed here and wait for Redis"),
    counter("cluster_row_conflicts_total", "changes of shared tables that were made again on another node's"),
    counter("cluster_repeated_total", "messages sent again because they were not acknowledged"),
    gauge("cluster_rooms_here", "rooms of the cluster that are on this node"),
    gauge("cluster_rooms_joined", "rooms that somebody on this node is in"),
    counter("cluster_rooms_moved_total", "rooms that came here with members of them, as another node went"),
    counter("cluster_room_messages_total", "messages about rooms to the nodes of their members"),
    counter("cluster_room_events_dropped_total", "events that did not fit into what waits for a node"),
    counter("cluster_room_gaps_total", "lists of members and streams sent in place of dropped events"),
    counter("cluster_placed_total", "pages that /rest-api/lb sent to a node"),
    gauge("relay_streams_in", "streams of other nodes that are played here"),
    gauge("relay_streams_out", "streams of this node that go to another one, each node counted"),
    counter("relay_pulled_total", "streams of other nodes that were begun here"),
    counter("relay_failed_total", "those that could not be begun, or were lost"),
    counter("relay_resumed_total", "times that a lost one was begun again, and its players went on"),
    counter("relay_served_total", "streams of this node that were begun to another one"),
    counter("relay_refused_total", "those that a limit or an unknown sender prevented, at either end"),
    counter("relay_packets_in_total", "RTP packets from other nodes"),
    counter("relay_packets_out_total", "RTP packets to other nodes"),
    counter("relay_bytes_in_total", "bytes of RTP from other nodes"),
    counter("relay_bytes_out_total", "bytes of RTP to other nodes"),
    counter("relay_news_total", "mutes, events and ends that other nodes have acknowledged"),
    counter("relay_news_lost_total", "those that they have not"),
)
"""Only with cluster.redis_url."""

FAMILIES: Final = (*PROCESS, *LOOP, *SESSIONS, *STREAMS, *MEDIA, *HOOKS, *ROOMS, *WORKERS, *WEB, *CALLS, *SIP, *CLUSTER)
BY_NAME: Final = {family.name: family for family in FAMILIES}
