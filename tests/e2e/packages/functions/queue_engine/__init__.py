# mypy: ignore-errors
# ruff: noqa
"""Takes messages of a queue, and calls other functions."""

import boto3
from silvaengine_utility import HybridCacheEngine, Utility


class QueueEngine:
    def __init__(self, logger, **setting):
        self.logger = logger
        self.setting = setting
        self.cache = HybridCacheEngine("queue")
        self.aws_lambda = boto3.client("lambda", region_name=setting["region_name"])
        self.task_queue = boto3.resource("sqs", region_name=setting["region_name"]).get_queue_by_name(
            QueueName=setting["task_queue_name"]
        )

    def call(self, endpoint_id, funct, params, **options):
        return Utility.invoke_funct_on_aws_lambda(
            self.logger,
            endpoint_id,
            funct,
            params=params,
            setting=self.setting,
            test_mode=self.setting.get("test_mode"),
            aws_lambda=self.aws_lambda,
            task_queue=self.task_queue,
            **options,
        )

    def take_message(self, **params):
        echoed = self.call(params["tenant"], "plain_echo", {"order": params["order"], "via": params["via"]})
        self.cache.set(params["via"], Utility.json_dumps(echoed["params"]), 60)
        return Utility.json_dumps(echoed["params"])

    def taken_message(self, **params):
        return self.cache.get(params["via"]) or "{}"

    def send_message(self, **params):
        tenant, order = params["endpoint_id"], params["order"]
        message = {"tenant": tenant, "order": order, "via": params["way"]}
        options = {"queue": {"message_group_id": "orders"}, "event": {"invocation_type": "Event"}}
        return Utility.json_dumps(self.call(tenant, "take_message", message, **options[params["way"]]))

    def describe_pet(self, **params):
        endpoint_id, arguments = (
            params["endpoint_id"],
            {"setting": self.setting, "aws_lambda": self.aws_lambda},
        )
        schema = Utility.fetch_graphql_schema(self.logger, endpoint_id, "pet_graphql", **arguments)
        query = Utility.generate_graphql_operation("pet", "Query", schema)
        variables = {"name": params["name"]}
        return Utility.json_dumps(
            Utility.execute_graphql_query(
                self.logger, endpoint_id, "pet_graphql", query, variables, **arguments
            )
        )

    def ask_nonsense(self, **params):
        Utility.execute_graphql_query(
            self.logger, params["endpoint_id"], "pet_graphql", "{ nothing }", aws_lambda=self.aws_lambda
        )

    def go_around(self, **params):
        return Utility.json_dumps(self.call(params["endpoint_id"], "go_around", {}))
