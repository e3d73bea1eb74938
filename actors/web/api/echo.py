"""`POST /apps/EchoApp/<method>`: the backend of the default application, which returns the body of the hook.

Hooks of the default application are answered inside the server; this path is for trying it by hand.
"""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from protocol.rest.json_body import decode_json


async def echo(request: Request) -> Response:
    """The JSON body, unchanged."""
    body = await request.body()
    decode_json(body)
    return Response(body, media_type="application/json")


ECHO_ROUTE = Route("/apps/EchoApp/{method:str}", echo, methods=["POST"])
