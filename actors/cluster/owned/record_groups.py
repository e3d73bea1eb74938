"""Groups of recordings whose members are on any nodes. A group is on the node that was asked to make it.

Each publication is recorded where it is: its node has a part of the group, in whose name it writes files into its
own folder. The node of the group lists the files of all when it ends. If that node dies, the parts go on until their
publications end, or the group is terminated; nobody lists their files then.

A group is claimed in the registry, so that of two nodes that begin one at the same moment one does. Of two that began
while Redis was away one goes on: the members of the other become its members.
"""

from collections.abc import Iterable
from functools import partial
from typing import Any, Final

import trio
from attrs import asdict, define, evolve, field

from actors.cluster.owned.media import BEGIN_TIMEOUT, PATIENCE
from actors.cluster.owned.owners import SLACK, Owners, listed_by
from actors.cluster.owned.refusals import REFUSED
from actors.node.ports.recorder import (
    GroupDescription,
    GroupedFile,
    GroupExists,
    LocalRecordGroupPort,
    NoSuchGroup,
    NoSuchPublication,
    NoSuchRecording,
    RecordingRefused,
)
from actors.node.ports.refusals import NodesSilent
from actors.node.ports.singles import Single, Singles, SingleTaken, SingleUnknown
from actors.runtime.logs import get_logger
from protocol.cluster.owner_messages import AddToGroup, EndGroup, EndPart, FindGroups, JoinGroup, LeaveGroup
from protocol.node.filters import StreamFilter
from protocol.rest.paging import Found
from protocol.stream.info_texts import StreamInfo

GROUP: Final = "record-group"
FILES_TIMEOUT: Final = 30.0
"""Seconds that another node may take to finish its files of a group."""
ANY_STEM: Final = ""
REGISTRY_DOWN: Final = "cluster.registry_down"

log = get_logger("cluster")


@define
class _Shared:
    """What the node of a group knows of its parts on other nodes."""

    stem: str = ""
    nodes: set[str] = field(factory=set)


class ClusterRecordGroups:
    """Implements `actors.node.ports.recorder.RecordGroupPort` for all nodes."""

    def __init__(self, local: LocalRecordGroupPort, owners: Owners, singles: Singles) -> None:
        self.here = local
        self._owners, self._singles = owners, singles
        self._claims: dict[str, Single] = {}
        self._moving: dict[str, trio.Event] = {}
        self._shared: dict[str, _Shared] = {}
        owners.serve_holder(GROUP, local.has)
        owners.serve(AddToGroup, self._serve_add)
        owners.serve(EndGroup, self._serve_end)
        owners.serve(JoinGroup, self._serve_join)
        owners.serve(LeaveGroup, self._serve_leave)
        owners.serve(EndPart, self._serve_end_part)
        owners.serve_list(FindGroups, self._serve_find)

    async def begin(self, uri: str) -> None:
        """Here, unless another node has one of this URI, or begins it."""
        try:
            claim = await self._singles.claim(GROUP, uri, partial(self._move_away, uri))
        except SingleTaken:
            raise GroupExists from None
        except SingleUnknown:
            raise RecordingRefused(StreamInfo.CLUSTER_IS_UNREACHABLE, REGISTRY_DOWN) from None
        try:
            await self.here.begin(uri)
        except BaseException:
            claim.release()
            raise
        self._claims[uri] = claim

    async def add(self, uri: str, query: StreamFilter) -> None:
        holder = partial(self._owners.holder, GROUP, uri)
        ask = AddToGroup(uri=uri, filter=query)
        await self._owners.anywhere(partial(self._add, uri, query), holder, ask, PATIENCE)

    async def remove(self, uri: str, media_session_id: str) -> None:
        holder = partial(self._owners.holder, GROUP, uri)
        ask = LeaveGroup(uri=uri, stem=ANY_STEM, media_session_id=media_session_id)
        await self._owners.anywhere(partial(self._remove, uri, media_session_id), holder, ask, PATIENCE)

    async def end(self, uri: str) -> None:
        holder = partial(self._owners.holder, GROUP, uri)
        try:
            await self._owners.anywhere(partial(self._end, uri), holder, EndGroup(uri=uri), PATIENCE)
        except NoSuchGroup as error:
            absent = error
        else:
            return
        if not await self._end_abandoned(uri):
            raise absent

    async def groups(self) -> Found[GroupDescription]:
        """Those of all nodes; of those that do not answer, none."""
        here = self._described(await self.here.groups())
        found = await self._owners.found_by_all(here, FindGroups(), _read)
        merged = tuple(_merged(found.items))
        return evolve(found, total=len(merged), items=merged)

    # -- on the node of the group ------------------------------------------------------------------

    async def _add(self, uri: str, query: StreamFilter) -> None:
        await self._until_moved(uri)
        try:
            await self.here.add(uri, query)
        except NoSuchPublication as error:
            absent = error
        else:
            return
        node = await self._owners.holder_of_stream(query)
        if node is None:
            raise absent
        shared = self._share(uri)
        shared.nodes.add(node)  # now: if the group ends meanwhile, that node is told
        ask = JoinGroup(uri=uri, stem=shared.stem, filter=query)
        await self._owners.ask(node, ask, timeout=PATIENCE)

    async def _remove(self, uri: str, media_session_id: str) -> None:
        await self._until_moved(uri)
        try:
            await self.here.remove(uri, media_session_id)
        except NoSuchRecording as error:
            absent = error
        else:
            return
        shared = self._share(uri)
        ask = LeaveGroup(uri=uri, stem=shared.stem, media_session_id=media_session_id)
        if not await self._owners.ask_each(
            shared.nodes, ask, timeout=PATIENCE, absent=NoSuchRecording, needs_all=False
        ):
            raise absent

    async def _end(self, uri: str) -> None:
        await self._until_moved(uri)
        await self._end_here(uri)

    async def _end_here(self, uri: str) -> None:
        await self.here.end(uri)
        self._shared.pop(uri, None)
        claim = self._claims.pop(uri, None)
        if claim is not None:
            await claim.give_back()

    async def _move_away(self, uri: str) -> None:
        """Another node has the group: its members here go on as members there."""
        log.warning("group of recordings is on another node too, and goes on there", group=uri)
        moved = self._moving[uri] = trio.Event()
        try:
            members = [id_ for each in (await self.groups()).items if each.uri == uri for id_ in each.media_session_ids]
            if self.here.has(uri):
                await self._end_here(uri)
                await self._join_other(uri, members)
        finally:
            moved.set()
            if self._moving.get(uri) is moved:  # else it moves once more
                del self._moving[uri]

    async def _join_other(self, uri: str, members: Iterable[str]) -> None:
        for each in members:
            query = StreamFilter(published=True, media_session_ids=frozenset({each}))
            try:
                holder = await self._owners.holder(GROUP, uri)
                if holder is not None:
                    await self._owners.ask(holder, AddToGroup(uri=uri, filter=query), timeout=PATIENCE)
            except GroupExists:
                pass  # it was one there already
            except REFUSED as error:
                log.warning("recording ended with its group", group=uri, id=each, error=error)

    async def _until_moved(self, uri: str) -> None:
        """If the group is moving to another node, what is asked of it is for that one."""
        moving = self._moving.get(uri)
        if moving is not None:
            await moving.wait()

    def _share(self, uri: str) -> _Shared:
        if uri not in self._shared:
            shared = _Shared()
            shared.stem = self.here.share(uri, partial(self._collect, uri, shared))
            self._shared[uri] = shared
        return self._shared[uri]

    async def _collect(self, uri: str, shared: _Shared, files: list[GroupedFile]) -> None:
        """End the parts of the other nodes, and wait for their files."""

        async def collect_from(node: str) -> None:
            ask = EndPart(uri=uri, stem=shared.stem)
            try:
                told = await self._owners.ask(node, ask, timeout=FILES_TIMEOUT + SLACK)
            except NodesSilent:
                log.warning("files of a group are not listed: their node does not answer", group=uri, node=node)
                return
            files.extend(GroupedFile(**each) for each in told)

        async with trio.open_nursery() as nursery:
            for node in shared.nodes:
                nursery.start_soon(collect_from, node)

    # -- for other nodes ---------------------------------------------------------------------------

    async def _serve_add(self, ask: AddToGroup) -> None:
        await self._add(ask.uri, ask.filter)

    async def _serve_end(self, ask: EndGroup) -> None:
        await self._end(ask.uri)

    async def _serve_join(self, ask: JoinGroup) -> None:
        with trio.move_on_after(BEGIN_TIMEOUT) as waiting:
            await self.here.join(ask.uri, ask.stem, ask.filter)
        if waiting.cancelled_caught:
            raise RecordingRefused("the recording did not begin in time")

    async def _serve_leave(self, ask: LeaveGroup) -> None:
        if ask.stem == ANY_STEM:
            await self._remove(ask.uri, ask.media_session_id)
        else:
            await self.here.leave(ask.uri, ask.stem, ask.media_session_id)

    async def _serve_end_part(self, ask: EndPart) -> Any:
        with trio.move_on_after(FILES_TIMEOUT):
            return [asdict(each) for each in await self.here.end_part(ask.uri, ask.stem)]
        return []

    async def _serve_find(self, ask: FindGroups) -> Iterable[Any]:
        return map(asdict, self._described(await self.here.groups()).items)

    # -- inside ------------------------------------------------------------------------------------

    def _described(self, groups: Found[GroupDescription]) -> Found[GroupDescription]:
        """With the parts of other nodes' groups."""
        items = (*groups.items, *self.here.parts())
        return Found(total=len(items), items=items)

    async def _end_abandoned(self, uri: str) -> bool:
        """End the parts of a group whose node is gone; whether there are any."""
        has_own = any(part.uri == uri for part in self.here.parts())
        if has_own:
            await self._serve_end_part(EndPart(uri=uri, stem=ANY_STEM))
        gathered = await self._owners.search(FindGroups())
        nodes = [reply.node_id for reply in gathered.replies if any(each["uri"] == uri for each in listed_by(reply))]
        await self._owners.ask_each(nodes, EndPart(uri=uri, stem=ANY_STEM), timeout=FILES_TIMEOUT + SLACK)
        return has_own or bool(nodes)


def _merged(groups: Iterable[GroupDescription]) -> Iterable[GroupDescription]:
    """One of each URI, with the members of all its parts."""
    by_uri: dict[str, GroupDescription] = {}
    for each in groups:
        known = by_uri.get(each.uri, evolve(each, media_session_ids=()))
        ids = (*known.media_session_ids, *each.media_session_ids)
        by_uri[each.uri] = evolve(known, media_session_ids=ids, file_name=known.file_name or each.file_name)
    return by_uri.values()


def _read(fields: Any) -> GroupDescription:
    return GroupDescription(**fields)
