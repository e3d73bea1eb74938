"""What the server opens before it is one: the files of its state, the hooks' memory, and every socket."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from actors.access.opening import open_access
from actors.calls.sip.sockets import open_sip_sockets
from actors.events.event_log import EventLog
from actors.hooks.dispatcher import open_dispatcher
from actors.hooks.kept.spool import open_spool
from actors.media.io.sockets import open_media_sockets
from actors.media.plane import MediaPlane
from actors.media.sending.sender_choice import choose_sender
from actors.media.tcp.listeners import open_media_listeners
from actors.net.certificate import ServerCertificate
from actors.net.server_listeners import ServerListeners
from actors.net.tcp_listeners import ListenerError
from actors.node.bans import load_bans
from actors.server.host_nodes import HostNodes
from actors.storage.app_store import open_app_store
from actors.storage.node_folders import folders_beside
from actors.storage.remedies import in_words
from actors.storage.run_record import RunRecord
from actors.storage.source_store import open_source_store
from actors.storage.state_folder import StateFolder
from actors.storage.table_store import TableStoreError
from config.settings import Settings
from config.tables.accounts_file import AccountFileError
from config.tables.apps_file import AppFileError
from config.tables.sources_file import SourceFileError
from protocol.metrics.hook_counts import HookCounts
from protocol.metrics.labels import AppLabels


class CannotStart(Exception):
    """The server cannot run here; the text explains why to the operator."""


class Opened:
    """See above. Raises CannotStart. `node`: which one of this machine it is; others serve on the same ports."""

    def __init__(self, settings: Settings, state: StateFolder, *, node: int | None = None) -> None:
        with _explained():
            self.apps = open_app_store(state.apps_path)
            self.access, self.audit_writer = open_access(settings, state)
            self.bans = load_bans(state.bans_path)
            self.sources = open_source_store(state.sources_path)
            self.certificate = ServerCertificate(*certificate_files(settings, state))
            self.tls = self.certificate.context(protocols=["http/1.1"])
            self.https = self.certificate.context(protocols=["http/1.1"], client_ca=settings.https_client_ca)
            self.run_record = RunRecord(state.run_record_path)
            self.labels, self.events = AppLabels(self.apps.has_key), EventLog()
            spool = open_spool(settings, state.spool_path, self.events)
            self.dispatcher = open_dispatcher(settings, self.apps, HookCounts(self.labels), self.events, spool)
            self.listeners = ServerListeners(settings, shared=node is not None)
            self.host_nodes = None if node is None else HostNodes(state.path, node)
            self.beside = None if node is None else folders_beside
            media = open_media_sockets(settings)
            by_tcp = open_media_listeners(settings, media)
            self.sip_sockets = open_sip_sockets(settings, is_node=node is not None)
        self.node_id = f"{state.node_id()}@{media[0].advertised[0][0]}"
        sender = choose_sender(settings.media_sender, for_nodes=settings.cluster_redis_url is not None)
        self.plane = MediaPlane(media, settings, sender=sender, listeners=by_tcp)


def certificate_files(settings: Settings, state: StateFolder) -> tuple[Path, Path]:
    """The certificate and its key: the operator's, or those that the server made for itself."""
    if settings.wss_cert is not None and settings.wss_key is not None:
        return settings.wss_cert, settings.wss_key
    return state.certificate()


@contextmanager
def _explained() -> Iterator[None]:
    """What keeps the server from starting, as CannotStart."""
    try:
        yield
    except (ListenerError, AppFileError, AccountFileError, SourceFileError, TableStoreError, ValueError) as error:
        raise CannotStart(str(error)) from error
    except OSError as error:
        raise CannotStart(in_words(error)) from error
