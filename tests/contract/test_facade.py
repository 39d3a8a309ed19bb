"""The specification's names: models and ``LambdaBase`` on tables in the contract's form."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from silvaengine.errors import ConfigurationError, RequestError
from silvaengine_base import (
    ConfigDataModel,
    ConnectionModel,
    EndpointModel,
    FunctionModel,
    HookModel,
    LambdaBase,
    Resources,
    WSSConnectionModel,
    lambdabase,
)
from silvaengine_websocket.app import _deployed

NOW = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
ARN = "arn:aws:lambda:us-east-1:000000000000:function:worker"


@pytest.fixture(autouse=True)
def fresh(dynamodb: Any) -> Iterator[None]:
    """No client or connection of another test's account."""
    caches = (lambdabase._registry, lambdabase._invoker, _deployed)
    models = (ConfigDataModel, ConnectionModel, EndpointModel, FunctionModel, HookModel, WSSConnectionModel)
    for cache in caches:
        cache.cache_clear()
    for model in models:
        model._connection = None
    yield
    for cache in caches:
        cache.cache_clear()


@pytest.fixture
def rows() -> None:
    """One function at the common key row, written through the models."""
    EndpointModel("acme").save()
    entry = {"aws_lambda_arn": ARN, "function": "hello", "setting": "override"}
    ConnectionModel("1", "#####", functions=[entry], whitelist=["10.0.0.0/8"]).save()
    config = {"module_name": "shop", "class_name": "Shop", "setting": "shop", "methods": ["POST"]}
    FunctionModel(ARN, "hello", area="core", config=config).save()
    ConfigDataModel("shop", "color", value="red").save()
    ConfigDataModel("shop", "limits", value={"max": 3}).save()
    ConfigDataModel("override", "color", value="blue").save()


def item(dynamodb: Any, table: str, **key: str) -> dict[str, Any]:
    """Return a row as DynamoDB holds it."""
    encoded = {name: {"S": value} for name, value in key.items()}
    row: dict[str, Any] = dynamodb.get_item(TableName=table, Key=encoded)["Item"]
    return row


@pytest.mark.usefixtures("rows")
def test_get_function_gives_settings_and_row() -> None:
    """Settings and row come in the form that the predecessor's callers read."""
    settings, function = LambdaBase.get_function("acme", "hello", "#####", "POST")
    assert settings == {"color": "blue", "limits": {"max": 3}}
    assert (function.aws_lambda_arn, function.function, function.area) == (ARN, "hello", "core")
    config = function.config
    assert (config.module_name, config.class_name, config.funct_type) == ("shop", "Shop", "RequestResponse")


@pytest.mark.usefixtures("rows")
def test_a_wrong_method_names_the_right_ones() -> None:
    """405 with Allow."""
    with pytest.raises(RequestError) as caught:
        LambdaBase.get_function("acme", "hello", method="GET")
    assert (caught.value.status, caught.value.headers) == (405, {"Allow": "POST"})


@pytest.mark.usefixtures("rows")
def test_a_setting_without_rows_is_an_error() -> None:
    """An empty id is empty; one without rows is an error."""
    assert LambdaBase.get_setting("shop")["color"] == "red"
    assert LambdaBase.get_setting("") == {}
    with pytest.raises(ConfigurationError):
        LambdaBase.get_setting("nowhere")


def test_an_unknown_invocation_type_is_named() -> None:
    """The caller reads what would have been right."""
    with pytest.raises(RequestError, match="invocation_type"):
        LambdaBase.invoke("worker", {}, "DryRun")


@pytest.mark.usefixtures("rows")
def test_models_write_the_contract_types(dynamodb: Any) -> None:
    """Booleans are BOOL, lists L of M, absent values absent."""
    assert item(dynamodb, "se-endpoints", endpoint_id="acme") == {
        "endpoint_id": {"S": "acme"},
        "special_connection": {"BOOL": False},
    }
    connection = item(dynamodb, "se-connections", endpoint_id="1", api_key="#####")
    entry = {"aws_lambda_arn": {"S": ARN}, "function": {"S": "hello"}, "setting": {"S": "override"}}
    assert connection["functions"] == {"L": [{"M": entry}]}
    assert ConnectionModel.get("1", "#####").whitelist == ["10.0.0.0/8"]
    config = item(dynamodb, "se-functions", aws_lambda_arn=ARN, function="hello")["config"]["M"]
    assert config["auth_required"] == {"BOOL": False}
    assert FunctionModel.get(ARN, "hello").config.module_name == "shop"
    limits = item(dynamodb, "se-configdata", setting_id="shop", variable="limits")
    assert limits["value"] == {"M": {"max": {"N": "3"}}}
    assert ConfigDataModel.get("shop", "limits").value == {"max": 3}


def test_timestamps_are_the_contract_texts(dynamodb: Any) -> None:
    """And the connection is found by its id alone."""
    WSSConnectionModel(
        "acme", "c1", api_key="#####", area="core", data={"user": "u"}, created_at=NOW, updated_at=NOW
    ).save()
    row = item(dynamodb, "se-wss-connections", endpoint_id="acme", connection_id="c1")
    assert row["created_at"] == {"S": "2026-01-02T03:04:05.000006+0000"}
    (found,) = WSSConnectionModel.connection_id_index.query("c1")
    assert (found.endpoint_id, found.status, found.data.as_dict()) == ("acme", "active", {"user": "u"})


@pytest.mark.usefixtures("rows")
def test_resources_connect_without_an_authorizer(dynamodb: Any) -> None:
    """The predecessor's WebSocket APIs have none: a key of the tenant connects, and the end finds its row."""
    context = {"connectionId": "c1", "stage": "beta", "identity": {"sourceIp": "10.0.0.1"}}
    handshake = {
        "requestContext": {**context, "routeKey": "$connect", "eventType": "CONNECT"},
        "queryStringParameters": {"endpointId": "acme", "area": "core"},
    }
    stranger = {"queryStringParameters": {"endpointId": "acme", "area": "core", "x-api-key": "wrong"}}
    assert Resources().handler({**handshake, **stranger}, None)["statusCode"] == 404
    assert Resources().handler(handshake, None) == {"statusCode": 200}
    row = item(dynamodb, "se-wss-connections", endpoint_id="acme", connection_id="c1")
    assert (row["area"], row["status"]) == ({"S": "core"}, {"S": "active"})
    end = {"requestContext": {**context, "routeKey": "$disconnect", "eventType": "DISCONNECT"}}
    assert Resources().handler(end, None) == {"statusCode": 200}
    assert dynamodb.scan(TableName="se-wss-connections")["Items"] == []


def test_a_hooks_row_can_be_read_by_its_model() -> None:
    """The model reads a hook's row, which the predecessor's never could."""
    HookModel("acme", "audit", function_name="note").save()
    (hook,) = HookModel.query("acme")
    assert (hook.function_name, hook.status, hook.is_async) == ("note", True, False)
