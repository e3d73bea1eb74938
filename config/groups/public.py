"""Listeners for anybody: pages, WHIP and WHEP, and nothing of REST."""

from attrs import frozen

from config.setting import MANY, PORT, setting
from config.values.addresses import Address
from config.values.kinds import Boolean, OptionalInteger


# A table reads better than one argument per line.
# fmt: off
@frozen(kw_only=True, slots=False)
class PublicSettings:
    """Listeners for anybody: pages, WHIP and WHEP, and nothing of REST."""

    public_address: str | None = setting(
        "public.address", Address(), "", "Where the public listeners listen. Empty: every address.",
        heading="Public pages, WHIP and WHEP",
        live=False)
    public_port: int | None = setting(
        "public.port", OptionalInteger(PORT), "",
        "TCP port of http:// for anybody: WHIP, WHEP and /embed_player, nothing of REST. Empty: none. 0: any free port."
        " WCS has 9091.",
        live=False)
    public_https_port: int | None = setting(
        "public.https_port", OptionalInteger(PORT), "", "The same by https://. WCS has 8888.",
        live=False)
    public_proxy_protocol: bool = setting(
        "public.proxy_protocol", Boolean(), "false",
        "Require the PROXY protocol, version 2, at public.port, from trusted_proxies only.",
        live=False)
    public_https_proxy_protocol: bool = setting(
        "public.https_proxy_protocol", Boolean(), "false", "The same at public.https_port, in front of TLS.",
        live=False)
    public_max_connections: int = setting(
        "public.max_connections", MANY, "1000",
        "Concurrent connections to the public listeners. http.max_connections_per_address applies to them, too.")
# fmt: on
