"""DynamoDB's operations on rows, called as botocore's low-level client is.

docs.aws.amazon.com/amazondynamodb/latest/APIReference.
"""

from functools import cache
from typing import Any

from silvaengine.aws.client import open_client
from silvaengine.aws.json_api import ATTEMPTS, READ_SECONDS, JsonApi, Members

TARGET = "DynamoDB_20120810"


class DynamoDb:
    """Calls DynamoDB; bytes in a request become base64 text, and stay that in an answer.

    Every method takes the operation's members by name, gives the answer's, and raises what ``JsonApi.call``
    does.

    Args:
        api: sends the requests.

    """

    def __init__(self, api: JsonApi) -> None:
        self._api = api

    def get_item(self, **request: Any) -> Members:  # noqa: ANN401 - JSON values
        """Read one row."""
        return self._call("GetItem", request, repeatable=True)

    def batch_get_item(self, **request: Any) -> Members:  # noqa: ANN401 - JSON values
        """Read up to 100 rows."""
        return self._call("BatchGetItem", request, repeatable=True)

    def query(self, **request: Any) -> Members:  # noqa: ANN401 - JSON values
        """Read a page of a partition."""
        return self._call("Query", request, repeatable=True)

    def put_item(self, **request: Any) -> Members:  # noqa: ANN401 - JSON values
        """Write a row."""
        return self._call("PutItem", request)

    def update_item(self, **request: Any) -> Members:  # noqa: ANN401 - JSON values
        """Change a row."""
        return self._call("UpdateItem", request)

    def delete_item(self, **request: Any) -> Members:  # noqa: ANN401 - JSON values
        """Delete a row."""
        return self._call("DeleteItem", request)

    def _call(self, operation: str, request: Members, *, repeatable: bool = False) -> Members:
        return self._api.call(operation, request, request.get("TableName", ""), repeatable=repeatable)


@cache
def open_dynamodb(region: str, *, read_seconds: float = READ_SECONDS, attempts: int = ATTEMPTS) -> DynamoDb:
    """Return the region's DynamoDB within these limits; see ``JsonApi``."""
    service = open_client("dynamodb", region)
    return DynamoDb(JsonApi(service, TARGET, "1.0", read_seconds=read_seconds, attempts=attempts))
