"""What a deployment's Lambdas have written: lines of invocations, log records, what functions print."""

from silvaengine_cli.logs.reader import Line, LogReader
from silvaengine_cli.logs.tail import LogTail

__all__ = ["Line", "LogReader", "LogTail"]
