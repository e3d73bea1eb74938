"""`/rest-api/push/...`: publications are pushed to RTMP servers."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from actors.node.ports.push import (
    AlreadyPushed,
    NoSuchPush,
    NoSuchSound,
    NothingToPush,
    PushDescription,
    PushPort,
    PushRefused,
    UnusableTarget,
)
from actors.runtime.logs import get_logger
from actors.web.api.coverage import NODES_SILENT, coverage_headers, is_local, nothing_found
from actors.web.api.routes import ApiRoute, acting_route, finding_route
from actors.web.api.searches import search_fields
from actors.web.callers import narrowed, note
from actors.web.refusals import caller_fields
from actors.web.responses import JsonAnswer, empty_answer
from protocol.containers.depayloaders import CALL_CODECS
from protocol.node.filters import StreamFilter
from protocol.rest.errors import RestError, bad_request, not_found
from protocol.rest.operations import Answer
from protocol.rest.resources import pushes as rest

_PATH: Final = "/rest-api/push"
_NO_PUSH: Final = "there is no such push"
_PUSHED: Final = "the publication is being pushed there"
_NO_SOUND: Final = "there is no such file in the folder of sounds"
_LIMITS: Final = {
    403: "a setting does not allow it; `setting` names it",
    404: "no publication matches whose media flows",
    409: f"{_PUSHED}, or has a codec that is not pushed",
    503: "too many pushes, or the server is overloaded; `setting` names the limit. Or a node of the cluster is silent",
}
_STATUSES: Final = {
    "push.transcode": HTTPStatus.FORBIDDEN,
    "push.allow": HTTPStatus.FORBIDDEN,
    CALL_CODECS: HTTPStatus.CONFLICT,
}

log = get_logger("web")


class PushResource:
    """The methods of the push group."""

    def __init__(self, pusher: PushPort) -> None:
        self._pusher = pusher

    def routes(self) -> tuple[ApiRoute, ...]:
        found = Answer(description="the pushes that run", schema=rest.PUSHES)
        begun = Answer(description="the push, which now connects to its target", schema=rest.PUSH)
        none = {404: "no push matches", 503: NODES_SILENT}
        gone = {404: _NO_PUSH, 503: NODES_SILENT}
        sound_errors = {**gone, 404: f"{_NO_PUSH}, or {_NO_SOUND}", 409: "the push cannot play it now"}
        start = acting_route(
            f"{_PATH}/startup", self.startup, "push a publication to an RTMP server", rest.STARTUP, _LIMITS, begun
        )
        return (
            start,
            finding_route(f"{_PATH}/find", self.find, "find pushes", rest.FIND, none, found),
            finding_route(f"{_PATH}/find_all", self.find_all, "list all pushes", rest.NO_FIELDS, none, found),
            acting_route(f"{_PATH}/terminate", self.terminate, "end a push", rest.ONE, gone),
            acting_route(f"{_PATH}/mute", self.mute, "send silence in the place of the sound", rest.ONE, gone),
            acting_route(f"{_PATH}/unmute", self.unmute, "send the sound again", rest.ONE, gone),
            acting_route(f"{_PATH}/sound_on", self.sound_on, "send a file's sound", rest.SOUND_ON, sound_errors),
            acting_route(
                f"{_PATH}/sound_off", self.sound_off, "send the publication's own sound again", rest.ONE, gone
            ),
        )

    async def startup(self, request: Request) -> Response:
        """Begin a push. The answer does not wait for the target; `find` shows what became of it."""
        pusher = self._asked(request)
        order = rest.parse_startup(await request.body())
        try:
            push = await pusher.start(narrowed(request.scope, StreamFilter()), order)
        except UnusableTarget as error:
            raise bad_request(f"rtmpUrl {error}", key=rest.RTMP_URL.name) from None
        except NothingToPush:
            raise not_found(_LIMITS[404]) from None
        except AlreadyPushed:
            raise RestError(HTTPStatus.CONFLICT, _PUSHED, key=rest.RTMP_URL.name) from None
        except NoSuchSound:
            raise bad_request(f"options: {_NO_SOUND}", key=rest.OPTIONS.name) from None
        except PushRefused as refused:
            raise _refusal(refused) from None
        note(request.scope, push=push.id, name=push.stream_name, target=push.shown_url)
        log.info("push started by rest", push=push.id, target=push.shown_url, **caller_fields(request.scope))
        return JsonAnswer(_shown(push))

    async def find(self, request: Request) -> Response:
        """The pushes that match."""
        pusher = self._asked(request)
        return await self._found(request, pusher, rest.parse_find(await search_fields(request, rest.FIND)))

    async def find_all(self, request: Request) -> Response:
        """The pushes that run. POST takes an empty body or none."""
        pusher = self._asked(request)
        rest.NO_FIELDS.read(await search_fields(request, rest.NO_FIELDS))
        return await self._found(request, pusher, rest.PushSearch())

    async def terminate(self, request: Request) -> Response:
        """End a push; its stream goes on."""
        pusher, push = await self._one(request)
        with _no_push():
            await pusher.stop(narrowed(request.scope, StreamFilter()), push)
        log.info("push ended by rest", push=push, **caller_fields(request.scope))
        return empty_answer({})

    async def mute(self, request: Request) -> Response:
        """Silence in the place of the sound."""
        return await self._mute(request, is_muted=True)

    async def unmute(self, request: Request) -> Response:
        """The sound again."""
        return await self._mute(request, is_muted=False)

    async def sound_on(self, request: Request) -> Response:
        """A file's sound in the place of the publication's."""
        pusher = self._asked(request)
        push, sound = rest.parse_sound_on(await request.body())
        note(request.scope, push=push, file=sound.file)
        try:
            with _no_push():
                await pusher.sound_on(narrowed(request.scope, StreamFilter()), push, sound)
        except NoSuchSound:
            raise RestError(HTTPStatus.NOT_FOUND, _NO_SOUND, key=rest.SOUND_FILE.name) from None
        except PushRefused as refused:
            raise RestError(HTTPStatus.CONFLICT, refused.info) from None
        return empty_answer({})

    async def sound_off(self, request: Request) -> Response:
        """The publication's own sound again."""
        pusher, push = await self._one(request)
        with _no_push():
            await pusher.sound_off(narrowed(request.scope, StreamFilter()), push)
        return empty_answer({})

    # -- inside --------------------------------------------------------------------------------------------------

    def _asked(self, request: Request) -> PushPort:
        """Those that the request is for: with `?scope=local` the pushes of this node only."""
        return self._pusher.here if is_local(request) else self._pusher

    async def _found(self, request: Request, pusher: PushPort, search: rest.PushSearch) -> Response:
        found = await pusher.find(narrowed(request.scope, StreamFilter()), search)
        if not found.total:
            return nothing_found(request, "push", found)
        return JsonAnswer([_shown(push) for push in found.items], headers=coverage_headers(found.coverage))

    async def _mute(self, request: Request, *, is_muted: bool) -> Response:
        pusher, push = await self._one(request)
        with _no_push():
            await pusher.mute(narrowed(request.scope, StreamFilter()), push, is_muted=is_muted)
        return empty_answer({})

    async def _one(self, request: Request) -> tuple[PushPort, str]:
        """Who is asked, and about which push."""
        pusher = self._asked(request)
        push = rest.parse_one(await request.body())
        note(request.scope, push=push)
        return pusher, push


@contextmanager
def _no_push() -> Iterator[None]:
    try:
        yield
    except NoSuchPush:
        raise not_found(_NO_PUSH) from None


def _shown(push: PushDescription) -> dict[str, Any]:
    return {
        "mediaSessionId": push.id,
        "streamName": push.target_name,
        "rtmpUrl": push.shown_url,
        "width": push.width,
        "height": push.height,
        "muted": push.is_muted,
        "soundEnabled": push.plays_sound,
        "options": {},
        "status": push.status,
    }


def _refusal(refused: PushRefused) -> RestError:
    status = _STATUSES.get(refused.setting, HTTPStatus.SERVICE_UNAVAILABLE)
    return RestError(status, refused.info, setting=refused.setting or None)
