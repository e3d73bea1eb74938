"""`/rest-api/push/...`: publications are pushed to RTMP servers."""

from collections.abc import Iterable
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
    PushOrder,
    PushPort,
    PushRefused,
    PushSound,
    UnusableTarget,
)
from actors.runtime.logs import get_logger
from actors.web.api.routes import ApiRoute, Endpoint, acting_route
from actors.web.api.streams import search_fields
from actors.web.callers import narrowed, note
from actors.web.refusals import caller_fields
from actors.web.responses import JsonAnswer, empty_answer
from protocol.access.roles import Role
from protocol.containers.depayloaders import CALL_CODECS
from protocol.node.filters import StreamFilter
from protocol.rest.errors import RestError, bad_request, not_found
from protocol.rest.fields import NO_QUERY, FieldTable
from protocol.rest.operations import Answer
from protocol.rest.query import read_query
from protocol.rest.resources import pushes as rest

_PATH: Final = "/rest-api/push"
_NO_PUSH: Final = "there is no such push"
_PUSHED: Final = "the publication is being pushed there"
_NO_SOUND: Final = "there is no such file in the folder of sounds"
_LIMITS: Final = {
    403: "a setting does not allow it; `setting` names it",
    404: "no publication matches whose media flows",
    409: f"{_PUSHED}, or has a codec that is not pushed",
    503: "too many pushes, or the server is overloaded; `setting` names the limit",
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
        gone = {404: _NO_PUSH}
        sound_errors = {404: f"{_NO_PUSH}, or {_NO_SOUND}", 409: "the push cannot play it now"}
        return (
            acting_route(
                f"{_PATH}/startup", self.startup, "push a publication to an RTMP server", rest.STARTUP, _LIMITS, begun
            ),
            _find_route("find", self.find, "find pushes", rest.FIND, found),
            _find_route("find_all", self.find_all, "list all pushes", rest.NO_FIELDS, found),
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
        NO_QUERY.read(read_query(request.scope["query_string"]))
        asked = rest.parse_startup(await request.body())
        order = PushOrder(
            stream_name=asked.stream_name,
            url=asked.url,
            is_full=asked.is_full,
            is_muted=asked.is_muted,
            sound=_sound(asked.sound),
        )
        try:
            push = await self._pusher.start(narrowed(request.scope, StreamFilter()), order)
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
        asked = rest.parse_find(await search_fields(request, rest.FIND))
        return _found(push for push in self._all(request) if _matches(push, asked))

    async def find_all(self, request: Request) -> Response:
        """The pushes that run. POST takes an empty body or none."""
        rest.NO_FIELDS.read(await search_fields(request, rest.NO_FIELDS))
        return _found(self._all(request))

    async def terminate(self, request: Request) -> Response:
        """End a push; its stream goes on."""
        push = await self._one(request)
        try:
            self._pusher.stop(narrowed(request.scope, StreamFilter()), push)
        except NoSuchPush:
            raise not_found(_NO_PUSH) from None
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
        NO_QUERY.read(read_query(request.scope["query_string"]))
        push, sound = rest.parse_sound_on(await request.body())
        note(request.scope, push=push, file=sound.file)
        query = narrowed(request.scope, StreamFilter())
        try:
            await self._pusher.sound_on(query, push, PushSound(file=sound.file, loops=sound.loops))
        except NoSuchPush:
            raise not_found(_NO_PUSH) from None
        except NoSuchSound:
            raise RestError(HTTPStatus.NOT_FOUND, _NO_SOUND, key=rest.SOUND_FILE.name) from None
        except PushRefused as refused:
            raise RestError(HTTPStatus.CONFLICT, refused.info) from None
        return empty_answer({})

    async def sound_off(self, request: Request) -> Response:
        """The publication's own sound again."""
        push = await self._one(request)
        try:
            self._pusher.sound_off(narrowed(request.scope, StreamFilter()), push)
        except NoSuchPush:
            raise not_found(_NO_PUSH) from None
        return empty_answer({})

    # -- inside --------------------------------------------------------------------------------------------------

    def _all(self, request: Request) -> Iterable[PushDescription]:
        return self._pusher.find_all(narrowed(request.scope, StreamFilter()))

    async def _mute(self, request: Request, *, is_muted: bool) -> Response:
        push = await self._one(request)
        try:
            self._pusher.mute(narrowed(request.scope, StreamFilter()), push, is_muted=is_muted)
        except NoSuchPush:
            raise not_found(_NO_PUSH) from None
        return empty_answer({})

    async def _one(self, request: Request) -> str:
        NO_QUERY.read(read_query(request.scope["query_string"]))
        push = rest.parse_one(await request.body())
        note(request.scope, push=push)
        return push


def _matches(push: PushDescription, asked: rest.PushSearch) -> bool:
    return asked.stream_name in (None, push.stream_name, push.target_name) and asked.url in (None, push.url)


def _found(pushes: Iterable[PushDescription]) -> Response:
    shown = [_shown(push) for push in pushes]
    if not shown:
        raise not_found("no push matches")
    return JsonAnswer(shown)


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


def _sound(asked: rest.SoundOn | None) -> PushSound | None:
    return None if asked is None else PushSound(file=asked.file, loops=asked.loops)


def _refusal(refused: PushRefused) -> RestError:
    status = _STATUSES.get(refused.setting, HTTPStatus.SERVICE_UNAVAILABLE)
    return RestError(status, refused.info, setting=refused.setting or None)


def _find_route(method: str, endpoint: Endpoint, summary: str, fields: FieldTable, answer: Answer) -> ApiRoute:
    return ApiRoute(
        path=f"{_PATH}/{method}",
        methods=("GET", "POST"),
        endpoint=endpoint,
        role=Role.VIEW,
        summary=summary,
        fields=fields,
        needs_body=False,
        answers=(answer,),
        errors={404: "no push matches"},
    )
