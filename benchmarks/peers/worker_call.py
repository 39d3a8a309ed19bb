"""A call of the worker Lambda, and the same function called directly."""

import json
import logging
import os

from silvaengine_demo.greetings import Greetings

from benchmarks.peers.request import CONTEXT
from silvaengine_worker.app import handler

PAYLOAD = json.loads(os.environ["BENCHMARK_PAYLOAD"])
LOGGER = logging.getLogger("silvaengine_demo.greetings")


def worker():
    """From payload to result."""
    if handler(PAYLOAD, CONTEXT)["status"] != 200:
        raise AssertionError


def bare():
    """The function alone."""
    Greetings(LOGGER, greeting="Hello").hello(name="Ada")
