"""`POST /apps/EchoApp/<method>`: the backend of the default application, which returns the body of the hook.

Hooks of the default application are answered inside the server; this path is for trying it by hand.
"""

from starlette.requests import Request
from starlette.responses import Response

from actors.web.api.routes import ApiRoute
from protocol.rest.json_body import decode_json
from protocol.rest.operations import ANYONE, Answer


async def echo(request: Request) -> Response:
    """The JSON body, unchanged."""
    body = await request.body()
    decode_json(body)
    return Response(body, media_type="application/json")


ECHO_ROUTE = ApiRoute(
    path="/apps/EchoApp/{method:str}",
    methods=("POST",),
    endpoint=echo,
    role=ANYONE,
    summary="get the body back",
    description="The backend of the default application, for trying hooks by hand: any JSON value, any method.",
    body={},
    answers=(Answer(description="the body, unchanged", schema={}),),
)
