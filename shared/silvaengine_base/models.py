"""The six tables as PynamoDB models: for function packages, the command line and tests.

Nothing on a request's path imports this module; ``silvaengine.aws.table_client`` is ten times lighter. Names
and keys of the tables come from ``silvaengine.tables``. The first import reads region and prefix from the
environment.
"""

from typing import Any

from pynamodb.attributes import (
    Attribute,
    BooleanAttribute,
    DynamicMapAttribute,
    ListAttribute,
    MapAttribute,
    NumberAttribute,
    UnicodeAttribute,
    UTCDateTimeAttribute,
)
from pynamodb.constants import STRING
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex
from pynamodb.models import Model

from silvaengine import tables
from silvaengine.aws.attribute_values import decode
from silvaengine.settings import Settings
from silvaengine.tables import DEFAULT_API_KEY, Table

_settings = Settings.from_environment()


def _meta(table: Table) -> Any:  # noqa: ANN401 - PynamoDB expects a class of its own kind
    name = _settings.table_prefix + table.name
    members = {"table_name": name, "region": _settings.region, "billing_mode": "PAY_PER_REQUEST"}
    return type("Meta", (), members)


class AnyAttribute(Attribute[Any]):
    """A value of any type that both DynamoDB and JSON have."""

    attr_type = STRING

    def serialize(self, value: object) -> object:
        """Return the encoded value and set the attribute's type, which PynamoDB reads next."""
        ((self.attr_type, encoded),) = ListAttribute().serialize([value])[0].items()
        return encoded

    def get_value(self, value: dict[str, Any]) -> dict[str, Any]:
        """Return the value with its type."""
        return value

    def deserialize(self, value: dict[str, Any]) -> object:
        """Return the value, decoded by its type."""
        return decode(value)


class EndpointModel(Model):
    """A tenant, and whether it has key rows of its own."""

    Meta = _meta(tables.ENDPOINTS)
    endpoint_id = UnicodeAttribute(hash_key=True)
    special_connection = BooleanAttribute(default=False)
    code = NumberAttribute(null=True)


class ConnectionFunctionMap(MapAttribute[str, Any]):
    """A key row's reference to a function."""

    aws_lambda_arn = UnicodeAttribute()
    function = UnicodeAttribute()
    setting = UnicodeAttribute(null=True)


class ConnectionModel(Model):
    """What an API key opens at an endpoint."""

    Meta = _meta(tables.CONNECTIONS)
    endpoint_id = UnicodeAttribute(hash_key=True)
    api_key = UnicodeAttribute(range_key=True, default=DEFAULT_API_KEY)
    functions = ListAttribute(of=ConnectionFunctionMap)
    whitelist: ListAttribute[Any] = ListAttribute(null=True)
    grants: ListAttribute[Any] = ListAttribute(null=True)


class FunctionConfigMap(DynamicMapAttribute):
    """How a function is found and called."""

    class_name = UnicodeAttribute(null=True)
    module_name = UnicodeAttribute()
    funct_type = UnicodeAttribute(default="RequestResponse")
    methods: ListAttribute[Any] = ListAttribute(null=True)
    setting = UnicodeAttribute(null=True)
    auth_required = BooleanAttribute(default=False)
    graphql = BooleanAttribute(default=False)
    operations: MapAttribute[str, Any] = MapAttribute(null=True)


class FunctionModel(Model):
    """A function that a Lambda runs."""

    Meta = _meta(tables.FUNCTIONS)
    aws_lambda_arn = UnicodeAttribute(hash_key=True)
    function = UnicodeAttribute(range_key=True)
    area = UnicodeAttribute()
    config = FunctionConfigMap()


class HookModel(Model):
    """A function that is called before or after others."""

    Meta = _meta(tables.HOOKS)
    api_id = UnicodeAttribute(hash_key=True)
    module_name = UnicodeAttribute(range_key=True)
    function_name = UnicodeAttribute()
    is_async = BooleanAttribute(default=False)
    is_interruptible = BooleanAttribute(default=False)
    status = BooleanAttribute(default=True)
    description = UnicodeAttribute(null=True)


class ConnectionIdIndex(GlobalSecondaryIndex[Any]):
    """WebSocket connections by their id alone."""

    class Meta:
        """PynamoDB reads these."""

        index_name = tables.WSS_CONNECTIONS_INDEX
        projection = AllProjection()

    connection_id = UnicodeAttribute(hash_key=True)


class WSSConnectionModel(Model):
    """A WebSocket connection; ``expires_at`` is DynamoDB's TTL in epoch seconds."""

    Meta = _meta(tables.WSS_CONNECTIONS)
    endpoint_id = UnicodeAttribute(hash_key=True)
    connection_id = UnicodeAttribute(range_key=True)
    api_key = UnicodeAttribute()
    area = UnicodeAttribute()
    data: MapAttribute[str, Any] = MapAttribute(null=True)
    status = UnicodeAttribute(default="active")
    created_at = UTCDateTimeAttribute()
    updated_at = UTCDateTimeAttribute()
    expires_at = NumberAttribute(null=True)
    connection_id_index = ConnectionIdIndex()


class ConfigDataModel(Model):
    """A variable of a setting id."""

    Meta = _meta(tables.CONFIG_DATA)
    setting_id = UnicodeAttribute(hash_key=True)
    variable = UnicodeAttribute(range_key=True)
    value = AnyAttribute(null=True)
