"""Handlers without any framework that do the same posts, as one writes them with boto3."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import boto3
from botocore.config import Config

MESSAGE = json.loads(os.environ.get("BENCHMARK_EVENT", "null"))
CONNECTIONS = int(os.environ["BENCHMARK_CONNECTIONS"])
THREADS = 32
WORKER = "arn:aws:lambda:us-east-1:000000000000:function:worker"


@cache
def client(service, url=None):
    """Return a client with a connection for each thread."""
    return boto3.client(service, endpoint_url=url, config=Config(max_pool_connections=THREADS))


def post(connection_id, frame):
    """Send a frame to a client."""
    management = client("apigatewaymanagementapi", os.environ["WEBSOCKET_MANAGEMENT_URL"])
    management.post_to_connection(ConnectionId=connection_id, Data=json.dumps(frame).encode())


def response(connection_id, message):
    """Call the function and post its result."""
    name = json.loads(message["payload"])["name"]
    data = {"message": f"Hello, {name}!"}
    post(connection_id, {"id": message["id"], "funct": message["funct"], "data": data})


def echo():
    """Hand a message to a second Lambda, which calls the function and answers."""
    message = json.loads(MESSAGE["body"])
    connection_id = MESSAGE["requestContext"]["connectionId"]
    payload = json.dumps({"connection_id": connection_id, "message": message})
    invoked = client("lambda").invoke(FunctionName=WORKER, InvocationType="Event", Payload=payload)
    invoked["Payload"].read()  # else its connection is not used again
    response(**json.loads(payload))


def echo_alone():
    """Call the function in the Lambda that got the message, and answer."""
    response(MESSAGE["requestContext"]["connectionId"], json.loads(MESSAGE["body"]))


def fan_out():
    """Push a frame to all connections."""
    pages = client("dynamodb").get_paginator("query").paginate(
        TableName="se-wss-connections",
        KeyConditionExpression="endpoint_id = :endpoint",
        FilterExpression="#status = :status",
        ExpressionAttributeNames={"#status": "status"},
        ExpressionAttributeValues={":endpoint": {"S": "demo"}, ":status": {"S": "active"}},
    )  # fmt: skip
    frame = {"said": "Hello, everybody"}
    sent = 0
    with ThreadPoolExecutor(THREADS) as pool:
        for page in pages:
            ids = [item["connection_id"]["S"] for item in page["Items"]]
            sent += len(list(pool.map(lambda connection_id: post(connection_id, frame), ids)))
    if sent != CONNECTIONS:
        raise AssertionError(sent)
