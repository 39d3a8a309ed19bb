"""FastAPI behind Mangum."""

from fastapi import FastAPI
from mangum import Mangum

from benchmarks.peers.work import hello

app = FastAPI()


@app.get("/{area}/{endpoint}/{function}")
def call(area: str, endpoint: str, function: str, name: str) -> dict[str, str]:
    """Answer the one route."""
    return hello(name)


handler = Mangum(app, lifespan="off")
