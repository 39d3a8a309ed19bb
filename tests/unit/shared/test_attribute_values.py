from base64 import b64encode

import pytest

from silvaengine.aws.attribute_values import decode_row


@pytest.mark.parametrize("sent", [b"\x00\xff", b64encode(b"\x00\xff").decode()])
def test_binary_data_is_the_same_from_any_client(sent: bytes | str) -> None:
    """DynamoDB sends base64, which boto3 decodes; a row that another program wrote may have some."""
    row = decode_row({"data": {"B": sent}, "several": {"BS": [sent]}})
    assert row == {"data": b"\x00\xff", "several": [b"\x00\xff"]}
