"""How much there may be of everything."""

from attrs import frozen

from config.setting import BYTES, MANY, setting
from config.values.kinds import Duration, Integer


# A table reads better than one argument per line.
# fmt: off
@frozen(kw_only=True, slots=False)
class LimitSettings:
    """How much there may be of everything."""

    max_sessions: int = setting(
        "max_sessions", MANY, "10000", "Clients connected at once, by WebSocket, WHIP and WHEP.",
        heading="Limits")
    max_sessions_per_address: int = setting(
        "max_sessions_per_address", MANY, "2000", "Clients connected at once from one address or IPv6 /64.")
    max_client_memory: int = setting(
        "max_client_memory", BYTES, "268435456",
        "Memory for what clients have sent: waiting frames, stream requests, data waiting for the backend. One client"
        " may use an eighth of it, one address a quarter; the first 64 KiB per client are not counted.")
    ws_max_arrivals: int = setting(
        "ws.max_arrivals", MANY, "1000",
        "Connections that are not sessions yet. Beyond it, the address with the most loses its oldest one.")
    ws_max_arrivals_per_address: int = setting(
        "ws.max_arrivals_per_address", MANY, "500",
        "The same for one address or IPv6 /64. Connections beyond it are closed.")
    ws_max_upgrades_per_address: int = setting(
        "ws.max_upgrades_per_address", MANY, "100",
        "TLS handshakes, WebSocket upgrades and offers by WHIP and WHEP per second from one address. Bursts of twice as"
        " many are allowed; more have to wait.")
    overload_max_loop_lag: float = setting(
        "overload.max_loop_lag", Duration("ms", 10, 60_000, zero_is_forever=True), "300",
        "How far the event loop may lag behind before new sessions and streams are refused. 0: no limit.")
    max_streams_per_session: int = setting(
        "max_streams_per_session", MANY, "1000", "Concurrent streams of one client.")
    max_stream_event_size: int = setting(
        "max_stream_event_size", BYTES, "16384",
        "Largest stream event (mute, data) a publisher may send, and largest payload of data/broadcast and"
        " stream/event/send.")
    max_stream_events: int = setting(
        "max_stream_events", MANY, "50",
        "Stream events per second from one client. Bursts of twice as many are allowed.")
    max_stream_event_frames: int = setting(
        "max_stream_event_frames", MANY, "5000",
        "Frames per second that one client's stream events may cause for all its viewers together."
        " A call to the backend counts as ten.")
    data_max_size: int = setting(
        "data.max_size", BYTES, "262144",
        "Largest payload of data/send. At least 64 KiB less than rest.max_body_size, if it is set.")
    rooms_max_members: int = setting("rooms.max_members", Integer(1, 1000), "100", "Members of one room.")
    rooms_max_rooms: int = setting(
        "rooms.max_rooms", MANY, "10000", "Rooms at once. Clients of one address or IPv6 /64 may create a quarter.")
    rooms_max_message_size: int = setting(
        "rooms.max_message_size", BYTES, "16384", "Largest text of a message that a member of a room may send.")
    max_outbox_total: int = setting(
        "max_outbox_total", BYTES, "67108864",
        "Data queued for all clients together. Beyond it, the client with the longest queue is dropped.")
    max_handshakes: int = setting(
        "max_handshakes", MANY, "500",
        "Concurrent DTLS handshakes; at most a tenth of them for one client, half for one address or IPv6 /64.")
# fmt: on
