"""The TCP listeners for pages, programs and backends, and for operators, each with the settings that describe it."""

from collections.abc import Iterator
from typing import Any, Final

from attrs import frozen

from config.settings import TABLE, Settings


@frozen(kw_only=True)
class ListenerKeys:
    """A listener's name, and the keys of its settings."""

    name: str
    address: str
    port: str
    proxy_protocol: str

    @classmethod
    def prefixed(cls, name: str) -> "ListenerKeys":
        """Those that all begin with the name."""
        return cls(name=name, address=f"{name}.address", port=f"{name}.port", proxy_protocol=f"{name}.proxy_protocol")


PUBLIC_HTTPS: Final = ListenerKeys(
    name="public_https",
    address="public.address",
    port="public.https_port",
    proxy_protocol="public.https_proxy_protocol",
)
LISTENERS: Final = (*map(ListenerKeys.prefixed, ("ws", "wss", "http", "https", "public")), PUBLIC_HTTPS)

SSH: Final = ListenerKeys.prefixed("ssh")
"""It has no PROXY protocol."""


@frozen(kw_only=True)
class WantedListener:
    """Where one is to listen."""

    keys: ListenerKeys
    address: str | None
    """None: every address."""
    port: int
    """0: any free port."""

    @property
    def name(self) -> str:
        return self.keys.name


def listeners_of(settings: Settings) -> Iterator[WantedListener]:
    """All that are to be opened, in the order of LISTENERS, and then that of SSH."""
    for keys in (*LISTENERS, SSH):
        port: int | None = _value(settings, keys.port)
        if port is not None:
            address: str | None = _value(settings, keys.address)
            yield WantedListener(keys=keys, address=address, port=port)


def requires_proxy_protocol(settings: Settings, keys: ListenerKeys) -> bool:
    """Whether only connections with the PROXY protocol's header are taken."""
    required: bool = _value(settings, keys.proxy_protocol)
    return required


def _value(settings: Settings, key: str) -> Any:
    return getattr(settings, TABLE[key].attribute)
