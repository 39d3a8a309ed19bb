# mypy: ignore-errors
# ruff: noqa
"""Posts chunks to the caller's connection itself."""

import boto3
from silvaengine_utility import Utility


class TalkEngine:
    def __init__(self, logger, **setting):
        self.logger = logger
        self.setting = setting
        host = "https://{api_id}.execute-api.{region_name}.amazonaws.com/{api_stage}".format(**setting)
        self.api = boto3.client(
            "apigatewaymanagementapi",
            endpoint_url=setting.get("api_url") or host,
            region_name=setting["region_name"],
        )

    def send(self, connection_id, data):
        self.api.post_to_connection(ConnectionId=connection_id, Data=Utility.json_dumps(data))

    def talk_stream(self, **params):
        connection_id = params["context"]["connectionId"]
        for number, word in enumerate(params["text"].split()):
            self.send(connection_id, {"index": number, "chunk": word, "is_message_end": False})
        self.send(connection_id, {"index": number + 1, "chunk": "", "is_message_end": True})
