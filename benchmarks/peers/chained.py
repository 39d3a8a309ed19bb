"""Two bare Lambdas in a chain: the first invokes the second with boto3 and hands its response on."""

import json
import os

import boto3

client = boto3.client("lambda")


def first(event, context):
    """Answer API Gateway."""
    print("first")  # the local engine waits 50 ms for the log of a silent function
    payload = json.dumps({"name": event["queryStringParameters"]["name"]})
    response = client.invoke(FunctionName=os.environ["SECOND"], Payload=payload)
    return {
        "statusCode": 200,
        "headers": {"Content-Type": "application/json"},
        "body": response["Payload"].read().decode(),
    }


def second(event, context):
    """Answer the first."""
    print("second")
    return {"message": f"Hello, {event['name']}!"}
