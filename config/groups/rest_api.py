"""Who may call the REST API, from where, and how much."""

from pathlib import Path

from attrs import frozen

from config.setting import BYTES, MANY, PORT, TIMEOUT, RestAuth, TerminateAll, setting
from config.values.addresses import Address
from config.values.kinds import Boolean, Choice, File, HeaderLines, Integer, StringList, Text
from config.values.web import TOKEN, HostNames, Origins


# A table reads better than one argument per line.
# fmt: off
@frozen(kw_only=True, slots=False)
class RestSettings:
    """Who may call the REST API, from where, and how much."""

    http_address: str | None = setting(
        "http.address", Address(), "127.0.0.1",
        "Where http:// (REST API, start page) listens. Not loopback: needs a user or token (wcs add user).",
        heading="REST API",
        live=False)
    http_port: int = setting(
        "http.port", PORT, "8081", "TCP port of http://. 0: any free port.",
        live=False)
    https_address: str | None = setting(
        "https.address", Address(), "127.0.0.1", "Where https:// listens; same rules as http.address.",
        live=False)
    https_port: int = setting(
        "https.port", PORT, "8444", "TCP port of https://. 0: any free port.",
        live=False)
    http_proxy_protocol: bool = setting(
        "http.proxy_protocol", Boolean(), "false",
        "Require the PROXY protocol, version 2, at http.port, from trusted_proxies only.",
        live=False)
    https_proxy_protocol: bool = setting(
        "https.proxy_protocol", Boolean(), "false", "The same at https.port, in front of TLS.",
        live=False)
    https_client_ca: Path | None = setting(
        "https.client_ca", File(), "",
        "Certificates (PEM) of authorities: a client whose certificate they signed is the user named by its CN.",
        live=False)
    http_max_connections: int = setting(
        "http.max_connections", MANY, "1000", "Concurrent HTTP connections.")
    http_max_connections_per_address: int = setting(
        "http.max_connections_per_address", MANY, "200",
        "Concurrent HTTP connections from one address or IPv6 /64.")
    rest_max_failed_requests: int = setting(
        "rest.max_failed_requests", Integer(1, 1_000_000, "requests/s"), "20",
        "Failed requests per second from one address. Responses to further ones are delayed by a second.")
    rest_auth: RestAuth = setting(
        "rest.auth", Choice(RestAuth), "auto",
        "Whether callers must log in. auto: once there is a user, a token or https.client_ca. Decided at the start and"
        " by a reload.")
    disable_rest_auth: bool = setting(
        "disable_rest_auth", Boolean(), "true",
        "The setting of WCS. false: as rest.auth=required. true: rest.auth decides.")
    rest_allow_unauthenticated_remote: bool = setting(
        "rest.allow_unauthenticated_remote", Boolean(), "false",
        "Allow http.address and https.address to accept connections from the network although nobody must log in.")
    rest_allowed_hosts: tuple[str, ...] = setting(
        "rest.allowed_hosts", HostNames(), "",
        "Host names accepted in requests, besides IP addresses, localhost and the machine's own name.")
    rest_terminate_all: TerminateAll = setting(
        "rest.terminate_all", Choice(TerminateAll), "allow", "Whether an empty terminate filter stops every stream.")
    rest_terminate_timeout: float = setting(
        "rest.terminate_timeout", TIMEOUT, "5000", "How long a terminate request waits for its streams to stop.")
    rest_max_body_size: int = setting(
        "rest.max_body_size", BYTES, "1048576", "Largest request body; a larger one gets 413.")
    rest_body_timeout: float = setting(
        "rest.body_timeout", TIMEOUT, "10000",
        "How long a request's head may take to arrive, and its body; else it is closed, or gets 408.")
    events_max_readers: int = setting(
        "events.max_readers", MANY, "50", "Programs that read /rest-api/events at a time; a further one gets 503.")
    rest_access_control_allow_origin: tuple[str, ...] = setting(
        "rest_access_control_allow_origin", Origins(), "*",
        "Origins of the web pages that may use the REST API. * is sent as a header but admits no other origin.")
    rest_access_control_allow_headers: tuple[str, ...] = setting(
        "rest_access_control_allow_headers", StringList("header names", form=TOKEN), "content-type,x-requested-with",
        "Request headers those pages may send.")
    rest_access_control_allow_methods: tuple[str, ...] = setting(
        "rest_access_control_allow_methods", StringList("HTTP methods", form=TOKEN), "POST",
        "HTTP methods those pages may use.")
    whip_app: str | None = setting(
        "whip.app", Text(), "defaultApp",
        "Key of the application of WHIP and WHEP clients whose URL has no ?app=KEY. Empty: they must name one.")
    rest_access_control_headers: tuple[tuple[str, str], ...] = setting(
        "rest_access_control_headers", HeaderLines(), "", "Additional headers for every REST response.")
# fmt: on
