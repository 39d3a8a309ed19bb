"""What a rule is: something that AWS documents and the engine doesn't know."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import ClassVar

from silvaengine_cli.strict.calls import Call
from silvaengine_cli.strict.engine import Engine
from silvaengine_cli.strict.http import Response
from silvaengine_cli.strict.script import Script

type Next = Callable[[Call], Response]


class Rule(ABC):
    """A rule; the first line of its docstring is its row in docs/strict.md.

    ``source`` is AWS's page that says so, below docs.aws.amazon.com; ``calls`` are patterns of the names of
    the calls that the rule is asked about.
    """

    source: ClassVar[str]
    calls: ClassVar[tuple[str, ...]]

    def __init__(self, engine: Engine, script: Script) -> None:
        self.engine = engine
        self.script = script

    @abstractmethod
    def answer(self, call: Call, proceed: Next) -> Response:
        """Return the response to a call: a refusal, or that of ``proceed``, perhaps changed."""

    def before(self, proceed: Next) -> Next:
        """Return what answers a call by this rule and, where it lets the call pass, by ``proceed``."""

        def answer(call: Call) -> Response:
            concerns = any(fnmatchcase(call.name, pattern) for pattern in self.calls)
            return self.answer(call, proceed) if concerns else proceed(call)

        return answer
