"""`POST /apps/EchoApp/<method>` and `/apps/RoomApp/<method>`: the backends of the shipped applications.

They return the body of the hook. Hooks of these applications are answered inside the server; the paths are for trying
them by hand.
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


ECHO_ROUTES = tuple(
    ApiRoute(
        path=f"{path}/{{method:str}}",
        methods=("POST",),
        endpoint=echo,
        role=ANYONE,
        summary="get the body back",
        description=f"The backend of the shipped {app}, for trying hooks by hand: any JSON value, any method.",
        body={},
        answers=(Answer(description="the body, unchanged", schema={}),),
    )
    for path, app in (("/apps/EchoApp", "defaultApp"), ("/apps/RoomApp", "roomApp"))
)
