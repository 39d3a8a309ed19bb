"""AWS Lambda Powertools' resolver for REST APIs."""

from aws_lambda_powertools.event_handler import APIGatewayRestResolver

from benchmarks.peers.work import hello

app = APIGatewayRestResolver()


@app.get("/<area>/<endpoint>/<function>")
def call(area, endpoint, function):
    """Answer the one route."""
    return hello(app.current_event.get_query_string_value("name"))


def handler(event, context):
    """What Lambda calls."""
    return app.resolve(event, context)
