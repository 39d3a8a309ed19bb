"""A handler without any framework."""

import json

from benchmarks.peers.work import hello


def handler(event, context):
    """Answer the one route."""
    name = event["queryStringParameters"]["name"]
    return {
        "statusCode": 200,
        "headers": {"Content-Type": "application/json"},
        "body": json.dumps(hello(name)),
        "isBase64Encoded": False,
    }
