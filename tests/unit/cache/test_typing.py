"""What a type checker knows of a cached function: all that it knew before."""

from pathlib import Path

import pytest
from mypy import api

pytestmark = pytest.mark.slow

PROGRAM = """
import asyncio

from silvaengine_utility import hybrid_cache, method_cache

@method_cache(ttl=1800, cache_name="settings")
def plain(a: int, b: str = "", *, c: bool = False) -> list[str]:
    return [b] * a

@hybrid_cache(cache_name="api", shared=True)
async def coroutine(a: int) -> str:
    return str(a)

class Service:
    @method_cache()
    def method(self, a: int) -> str:
        return str(a)

    @method_cache()
    async def asynchronous(self, a: int) -> bytes:
        return b""

    @classmethod
    @method_cache()
    def of_class(cls, a: int) -> float:
        return a

"""
RIGHT = {
    "plain(1)": "list[str]",
    'plain(a=1, b="x", c=True)': "list[str]",
    "plain.cache_clear()": "bool",
    'plain.cache_delete(1, b="x")': "bool",
    "asyncio.run(coroutine(1))": "str",
    "Service().method(1)": "str",
    "Service().method(a=1)": "str",
    "asyncio.run(Service().asynchronous(1))": "bytes",
    "Service.of_class(1)": "float",
    "Service().of_class(1)": "float",
    "Service.method.cache_delete(Service(), 1)": "bool",
    "Service.of_class.cache_delete(Service, 1)": "bool",
    "Service().method.cache_clear()": "bool",
}
WRONG = [
    'plain("x")',
    "plain()",
    "plain(1, d=2)",
    "plain.cache_delete()",
    'coroutine("x")',
    'Service().method("x")',
    "Service().method()",
    'Service().asynchronous("x")',
    'Service.of_class("x")',
    "Service().method.cache_delete(1)",
    "Service.of_class.cache_delete(1)",
]


def checked(folder: Path, lines: list[str]) -> dict[int, str]:
    """Run mypy over the program with these lines at its end, and give what it says of each."""
    program = folder / "program.py"
    program.write_text(PROGRAM + "\n".join(lines) + "\n")
    project = Path(__file__).parents[3]
    output, errors, _ = api.run(
        [
            "--config-file",
            str(project / "pyproject.toml"),
            "--cache-dir",
            str(project / ".mypy_cache" / "typing"),
            "--follow-imports",
            "silent",
            "--no-error-summary",
            str(program),
        ]
    )
    assert errors == ""
    first = PROGRAM.count("\n") + 1
    said: dict[int, str] = {}
    for line in output.splitlines():
        _, number, text = line.split(":", 2)
        said.setdefault(int(number) - first, text)
    return said


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[int, str]:
    """What mypy says of the right calls, then of the wrong ones."""
    return checked(tmp_path_factory.mktemp("typed"), [*(f"reveal_type({call})" for call in RIGHT), *WRONG])


@pytest.mark.parametrize("call", RIGHT)
def test_a_right_call_has_the_functions_type(said: dict[int, str], call: str) -> None:
    """Functions, methods, coroutines and class methods keep their types."""
    text = said[list(RIGHT).index(call)].replace("builtins.", "").replace("typing.", "")
    assert f'note: Revealed type is "{RIGHT[call]}"' in text


@pytest.mark.parametrize("call", WRONG)
def test_a_wrong_call_is_found(said: dict[int, str], call: str) -> None:
    """Arguments are checked as the function's own."""
    assert "error:" in said.get(len(RIGHT) + WRONG.index(call), "nothing")
