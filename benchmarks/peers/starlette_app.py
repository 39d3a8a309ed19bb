"""Starlette behind Mangum."""

from mangum import Mangum
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from benchmarks.peers.work import hello


def call(request):
    """Answer the one route."""
    return JSONResponse(hello(request.query_params["name"]))


handler = Mangum(Starlette(routes=[Route("/{area}/{endpoint}/{function}", call)]), lifespan="off")
