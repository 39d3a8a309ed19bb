"""AWS Chalice."""

from chalice import Chalice

from benchmarks.peers.work import hello

app = Chalice(app_name="peer")


@app.route("/{area}/{endpoint}/{function}")
def call(area, endpoint, function):
    """Answer the one route."""
    return hello(app.current_request.query_params["name"])


def handler(event, context):
    """What Lambda calls."""
    event = {
        **event,
        "pathParameters": {"area": "core", "endpoint": "demo", "function": "hello"},
        "requestContext": {**event["requestContext"], "resourcePath": "/{area}/{endpoint}/{function}"},
    }
    return app(event, context)
