"""What the listeners for HTTP serve: REST and pages, and on the public ones what strangers may see."""

import trio

from actors.metrics.overview import Overview
from actors.node.own_address import OwnAddress
from actors.node.ports.balancer import BalancerPort
from actors.node.ports.data import MessagePorts
from actors.node.ports.keyed_requests import KeyedRequests
from actors.operator.commands.app_desk import app_desk
from actors.operator.commands.sources import SourceDesk
from actors.server.host_reload import HostReload
from actors.server.owned_ports import OwnedPorts
from actors.server.parts import Parts
from actors.web.api.console.start_page import PageInfo
from actors.web.api.server.administration import AdminResource, Reload
from actors.web.api.server.looks import OwnLooks
from actors.web.api.server.monitoring import Monitoring
from actors.web.app import RestPorts, create_app
from actors.web.media_routes import MediaPorts
from actors.web.public_app import create_public_app
from actors.web.sites import serve_sites
from config.version import VERSION


async def serve_web(parts: Parts, closing: trio.Event) -> None:
    """Serve until `closing`."""
    opened, monitoring, owned = parts.opened, _monitoring(parts), OwnedPorts.of(parts)
    page_info = PageInfo(version=VERSION, ws=opened.listeners.bound("ws"), wss=opened.listeners.bound("wss"))
    rest = create_app(_rest(parts, owned, monitoring, page_info))
    public = create_public_app(
        parts.settings,
        whip=owned.whip,
        records=owned.recorder,
        page_info=page_info,
        counts=parts.metrics.web,
        balancer=_balancer(parts),
    )
    async with trio.open_nursery() as nursery:
        if opened.host_nodes is not None:
            nursery.start_soon(opened.host_nodes.serve, OwnLooks(monitoring, parts.node.statistics))
        await serve_sites(
            rest,
            public,
            listeners=opened.listeners,
            tls={"https": opened.https, "public_https": opened.tls},
            settings=parts.settings,
            shutdown=closing,
            counts=parts.metrics.web,
        )
        nursery.cancel_scope.cancel()


def _rest(parts: Parts, owned: OwnedPorts, monitoring: Monitoring, page_info: PageInfo) -> RestPorts:
    opened, settings = parts.opened, parts.settings
    return RestPorts(
        streams=parts.node,
        settings=settings,
        access=opened.access,
        messages=_messages(parts),
        page_info=page_info,
        ready=parts.condition.readiness,
        bans=opened.bans,
        admin=AdminResource(parts.drains, _reload(parts)),
        monitoring=monitoring,
        media=_media(parts, owned),
        apps=app_desk(opened.apps, settings, parts.node_id),
        sources=SourceDesk(opened.sources),
        keyed_requests=_keyed_requests(parts),
    )


def _media(parts: Parts, owned: OwnedPorts) -> MediaPorts:
    return MediaPorts(
        whip=owned.whip,
        recorder=owned.recorder,
        record_groups=owned.groups,
        snapshots=owned.snapshots,
        pusher=owned.pusher,
        debug_reports=parts.debug_reports.folder,
        captures=owned.captures,
        balancer=_balancer(parts),
        calls=owned.calls,
        call_orders=owned.call_orders,
    )


def _reload(parts: Parts) -> Reload:
    return parts.reload if parts.opened.host_nodes is None else HostReload(parts.reload)


def _balancer(parts: Parts) -> BalancerPort:
    """Nodes that are all behind the same ports are one place to pages: the system chooses among them."""
    settings, host_nodes = parts.settings, parts.opened.host_nodes
    is_one_place = host_nodes is not None and host_nodes.are_all(settings.cluster_redis_url)
    if parts.clustered is not None and not is_one_place:
        return parts.clustered.cluster.balancer
    listeners, node_id = parts.opened.listeners, parts.node_id
    ws, wss = (listeners.bound(name)[1] for name in ("ws", "wss"))
    return OwnAddress(name=settings.cluster_address, address=node_id.partition("@")[2], ws=ws, wss=wss)


def _keyed_requests(parts: Parts) -> KeyedRequests | None:
    return None if parts.clustered is None else parts.clustered.requests


def _messages(parts: Parts) -> MessagePorts:
    cluster = None if parts.clustered is None else parts.clustered.cluster
    if cluster is not None:
        return MessagePorts(data=cluster.data, stream_events=cluster.stream_events, rooms=parts.room_control)
    return MessagePorts(data=parts.data, stream_events=parts.stream_events, rooms=parts.room_control)


def _monitoring(parts: Parts) -> Monitoring:
    return Monitoring(
        metrics=parts.metrics,
        events=parts.supervisor.events,
        calls=parts.dispatcher.sender.recent,
        phones=parts.all_calls,
        overview=Overview(parts.measured),
        apps=parts.opened.apps.all,
        others=parts.opened.host_nodes,
        nodes=parts.nodes,
        settings=parts.given,
    )
