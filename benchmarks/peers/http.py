"""The HTTP peers, each as its documentation writes a handler for `GET /core/demo/hello`.

`BENCHMARK_PEER` names the one that `handler` is. Its route does nothing (`BENCHMARK_WORK=none`), or reads its
function's row once and invokes the worker at every call.
"""

import json
import os
from functools import cache

WORKER = "arn:aws:lambda:us-east-1:000000000000:function:silvaengine-Worker"


def bare():
    """Return a handler without any framework."""

    def handler(event, context):
        name = event["queryStringParameters"]["name"]
        headers = {"Content-Type": "application/json"}
        return {"statusCode": 200, "headers": headers, "body": json.dumps(hello(name))}

    return handler


def powertools():
    """Return AWS Lambda Powertools' resolver for REST APIs."""
    from aws_lambda_powertools.event_handler import APIGatewayRestResolver

    app = APIGatewayRestResolver()

    @app.get("/<area>/<endpoint>/<function>")
    def call(area, endpoint, function):
        return hello(app.current_event.get_query_string_value("name"))

    return app.resolve


def powertools_with_logger():
    """Return the same with Powertools' Logger, which writes one line for each request."""
    from aws_lambda_powertools import Logger

    logger, resolve = Logger(service="http"), powertools()

    @logger.inject_lambda_context
    def handle(event, context):
        response = resolve(event, context)
        logger.info("served", status=response["statusCode"], path=event["path"])
        return response

    return handle


def powertools_with_metrics():
    """Return the same with its Metrics, whose line has the request's count and status."""
    from aws_lambda_powertools import Metrics

    metrics, served = Metrics(namespace="peer", service="http"), powertools_with_logger()

    @metrics.log_metrics
    def handle(event, context):
        response = served(event, context)
        metrics.add_metric(name="Served", unit="Count", value=1)
        metrics.add_metadata(key="status", value=response["statusCode"])
        return response

    return handle


def fastapi():
    """Return FastAPI behind Mangum."""
    from fastapi import FastAPI
    from mangum import Mangum

    app = FastAPI()

    @app.get("/{area}/{endpoint}/{function}")
    def call(area: str, endpoint: str, function: str, name: str) -> dict[str, str]:
        return hello(name)

    return Mangum(app, lifespan="off")


def hello(name):
    """Return the response of the route."""
    if os.environ["BENCHMARK_WORK"] == "none":
        return {"message": f"Hello, {name}!"}
    row = function_row()
    module, params = row["M"]["module_name"]["S"], json.dumps({"name": name})
    payload = {"MODULENAME": module, "funct": "hello", "params": params}
    response = client("lambda").invoke(FunctionName=WORKER, Payload=json.dumps(payload))
    return json.loads(response["Payload"].read())["value"]


@cache
def client(service):
    """Return the client of a service as most code makes it."""
    import boto3

    return boto3.client(service)


@cache
def function_row():
    """Read the function's row once."""
    key = {"aws_lambda_arn": {"S": WORKER}, "function": {"S": "hello"}}
    return client("dynamodb").get_item(TableName="se-functions", Key=key)["Item"]["config"]


handler = {
    "bare handler": bare,
    "Powertools": powertools,
    "Powertools with Logger": powertools_with_logger,
    "Powertools with Logger and Metrics": powertools_with_metrics,
    "Mangum + FastAPI": fastapi,
}[os.environ["BENCHMARK_PEER"]]()
