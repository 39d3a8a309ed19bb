"""The request that every subject serves, as API Gateway's REST API hands it to a Lambda."""

import json
import os
from importlib import import_module

ARN = "arn:aws:lambda:us-east-1:000000000000:function:gateway"


class Context:
    """Lambda's context."""

    function_name = "gateway"
    memory_limit_in_mb = 512
    invoked_function_arn = ARN
    aws_request_id = "00000000-0000-4000-8000-000000000000"

    @staticmethod
    def get_remaining_time_in_millis():
        """Return how long there is."""
        return 29_000


def serve():
    """Call ``BENCHMARK_HANDLER`` with ``BENCHMARK_EVENT`` once."""
    response = HANDLER(EVENT, CONTEXT)
    if response["statusCode"] != 200 or json.loads(response["body"]) != {"message": "Hello, Ada!"}:
        raise AssertionError(response)


CONTEXT = Context()
if "BENCHMARK_HANDLER" in os.environ:
    EVENT = json.loads(os.environ["BENCHMARK_EVENT"])
    MODULE, _, NAME = os.environ["BENCHMARK_HANDLER"].partition(":")
    HANDLER = getattr(import_module(MODULE), NAME)
