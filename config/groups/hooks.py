"""Calls to the backend."""

from pathlib import Path

from attrs import frozen

from config.setting import BYTES, DAY, DAY_MS, MANY, HookOrder, setting
from config.values.addresses import BackendNetworks
from config.values.kinds import Boolean, Choice, Duration, File, Integer, StringList, Text
from protocol.hooks.networks import HookNetworks


# A table reads better than one argument per line.
# fmt: off
@frozen(kw_only=True, slots=False)
class HookSettings:
    """Calls to the backend."""

    disable_rest_requests: bool = setting(
        "disable_rest_requests", Boolean(), "false", "Send no hooks at all and accept every connection.",
        heading="REST hooks (calls to the backend)")
    rest_request_timeout: float = setting(
        "rest_request_timeout", Duration("s", 1, DAY, zero_is_forever=True), "15",
        "How long one hook may take, retries included.")
    rest_client_request_retry_count: int = setting(
        "rest_client_request_retry_count", Integer(0, 100), "3", "Retries of a hook that could not be sent.")
    rest_client_request_sent_retry_enabled: bool = setting(
        "rest_client_request_sent_retry_enabled", Boolean(), "true", "Whether hooks are retried at all.")
    rest_breaker: bool = setting(
        "rest.breaker", Boolean(), "true",
        "Whether a backend that keeps failing is left alone for a while, instead of waiting for it each time.")
    rest_max_connections: int = setting(
        "rest_max_connections", MANY, "100", "Concurrent connections to one backend host.")
    rest_hook_order: HookOrder = setting(
        "rest_hook_order", Choice(HookOrder), "session",
        "Whether hooks are kept in order per session, or in a single queue for the whole server.",
        live=False)
    rest_hook_send_hash: bool = setting(
        "rest_hook_send_hash", Boolean(), "false",
        "Sign each hook: `Authorization: WCS HMAC-MD5-of-the-body`, instead of the application's user and password.")
    rest_hook_secret_key: str | None = setting(
        "rest_hook_secret_key", Text(), "", "The key for that signature, shared with the backend.")
    rest_ca_file: Path | None = setting(
        "rest_ca_file", File(), "", "Certificates (PEM) to trust for https backends. Empty: the system's.")
    rest_insecure_tls: bool = setting(
        "rest_insecure_tls", Boolean(), "false", "DANGEROUS: accept any certificate from https backends.")
    rest_hook_networks: HookNetworks = setting(
        "rest.hook_networks", BackendNetworks(), "",
        "Networks that hooks may go to. Empty: all but link-local addresses and those of clouds' metadata.")
    rest_max_response_size: int = setting(
        "rest_max_response_size", BYTES, "1048576", "Largest response from a backend.")
    rest_lane_size: int = setting(
        "rest_lane_size", MANY, "4000", "Hooks queued per session, such as the ends of all its streams.")
    rest_lanes_total: int = setting(
        "rest_lanes_total", MANY, "100000", "Hooks queued for all sessions together.")
    rest_spool_max_size: int = setting(
        "rest.spool_max_size", Integer(1_048_576, 1_099_511_627_776, "bytes"), "536870912",
        "Most that is kept of hooks that could not be delivered; beyond it the oldest go.")
    rest_spool_max_age: float = setting(
        "rest.spool_max_age", Duration("s", 60, 30 * DAY), "86400",
        "How long hooks that could not be delivered are kept.")
    rest_spool_sync: bool = setting(
        "rest.spool_sync", Boolean(), "false",
        "Whether what is kept survives a power cut too, instead of a kill only.",
        live=False)
    keep_alive_streaming_sessions_enabled: bool = setting(
        "keep_alive_streaming_sessions_enabled", Boolean(), "false",
        "Ask the backend regularly, for each stream, whether it may continue.")
    streaming_sessions_keep_alive_interval: float = setting(
        "streaming_sessions_keep_alive_interval", Duration("ms", 100, DAY_MS), "10000",
        "Interval between those questions.")
    streaming_sessions_keep_alive_app_keys: tuple[str, ...] = setting(
        "streaming_sessions_keep_alive_app_keys", StringList("application keys"), "",
        "Applications whose streams are asked about. Empty: none.")
# fmt: on
