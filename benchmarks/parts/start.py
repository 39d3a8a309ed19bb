"""A Lambda's life up to its first response, in stages: after Python and Lambda's own client."""

import json
import os
from importlib import import_module

import awslambdaric.bootstrap

from benchmarks.peers.request import CONTEXT

assert awslambdaric
MODULE = os.environ.get("BENCHMARK_MODULE")
HANDLER = import_module(MODULE).handler if MODULE else None


def nothing():
    """Only be imported."""


def first():
    """Serve the first event."""
    HANDLER(json.loads(os.environ["BENCHMARK_FIRST"]), CONTEXT)
