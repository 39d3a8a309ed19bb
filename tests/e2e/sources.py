"""What sends events to the stack."""

from collections.abc import Mapping

from silvaengine_cli.engine import LocalEngine


def event_sources(engine: LocalEngine) -> Mapping[str, str]:
    """Make the sources that exist before a deployment; return its parameters for them and for its own."""
    topic = engine.client("sns").create_topic(Name="news")["TopicArn"]
    orders = engine.client("dynamodb").create_table(
        TableName="orders",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
    )["TableDescription"]
    return {
        "EventTopicArn": topic,
        "EventStreamArn": orders["LatestStreamArn"],
        "EventRuleSources": "shop",
        "NewEventBucketName": "e2e-inbox",
        "MakeFifoQueue": "true",
    }
