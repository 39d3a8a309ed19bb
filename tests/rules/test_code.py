"""What docs/architecture.md and CONTRIBUTING.md say of the code is so."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
ROOTS = [PROJECT / "shared", *PROJECT.glob("services/*"), PROJECT / "cli"]
MODULES = {
    str(path.relative_to(root)): ast.parse(path.read_text())
    for root in ROOTS
    for path in sorted(root.glob("silvaengine*/**/*.py"))
}
DEPLOYED = {name: tree for name, tree in MODULES.items() if not name.startswith("silvaengine_cli")}

# Where any exception is caught, and whose boundary it is.
BOUNDARIES = {
    "silvaengine/authorization/events.py": "a Lambda: a failed authorizer call denies",
    "silvaengine/authorization/packages.py": "an operator's authorizer",
    "silvaengine/aws/connection.py": "a connection, closed and raised again",
    "silvaengine/cache/decorators.py": "an argument's __hash__ and ``key=``: the call is a miss",
    "silvaengine/cache/threads.py": "a thread: its failure belongs to the coroutine that waits",
    "silvaengine/observability/handler.py": "a Lambda: its log line has the status, and it is raised again",
    "silvaengine/redis/client.py": "a cluster's node, forgotten and raised again",
    "silvaengine/redis/connection.py": "a connection, closed and raised again",
    "silvaengine_http/handler.py": "a Lambda",
    "silvaengine_http/mcp/server.py": "a message, whose client waits for an error of its own form",
    "silvaengine_tasks/batches.py": "a call of many records, and each of them",
    "silvaengine_tasks/calls.py": "a call, published and raised again",
    "silvaengine_tasks/canary/watching.py": "a canary of a package",
    "silvaengine_tasks/sources/__init__.py": "a record that is read",
    "silvaengine_tasks/sweeper.py": "a row of the ledger",
    "silvaengine_websocket/handler.py": "a Lambda",
    "silvaengine_websocket/hooks.py": "an operator's hook",
    "silvaengine_worker/describe.py": "an operator's function that is described",
    "silvaengine_worker/serving.py": "a Lambda, and the function that it calls",
    "silvaengine_worker/stream.py": "a thread: its failure belongs to the function's",
}

# Who composes from the environment: each Lambda's app, and what exists once in a process without one.
COMPOSING = {
    "silvaengine/cache/process.py",
    "silvaengine_base/lambdabase.py",
    "silvaengine_base/models.py",
    "silvaengine_http/app.py",
    "silvaengine_tasks/app.py",
    "silvaengine_tasks/sweeper_app.py",
    "silvaengine_tasks/usage_app.py",
    "silvaengine_utility/calls.py",
    "silvaengine_websocket/app.py",
    "silvaengine_websocket/broadcast_app.py",
    "silvaengine_worker/app.py",
}

# Who sees the environment itself: its reader, the client (credentials change), the worker, which restores it.
ENVIRONMENT = {
    "silvaengine/aws/client.py",
    "silvaengine/settings.py",
    "silvaengine_worker/process_state.py",
}

# Who counts seconds that a freeze may stop; everything else has ``silvaengine.clock``.
MONOTONIC = {
    "silvaengine/aws/connection.py": "a request's deadline, within an invocation",
    "silvaengine/aws/http.py": "likewise",
    "silvaengine/redis/connection.py": "a reply's, likewise",
    "silvaengine/cache/fence.py": "what is known of clears: it looks for freezes itself",
    "silvaengine/cache/hybrid.py": "values in memory, on the fence's clock: a hit reads it",
    "silvaengine/cache/shared_tiers.py": "a wait, and what the fence is told",
}


def names_in(tree: ast.AST) -> Iterator[str]:
    """Return all names and attributes that a tree mentions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr


def catches_anything(tree: ast.AST) -> bool:
    """Return whether a handler in a tree catches any exception."""
    handlers = [node.type for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler)]
    return any(kind is None or {"Exception", "BaseException"} & {*names_in(kind)} for kind in handlers)


def docstrings() -> Iterator[tuple[str, str]]:
    """Yield the place and the docstring of each function; a property's names a thing."""
    for name, tree in MODULES.items():
        for node in ast.walk(tree):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            is_property = "property" in {*map(ast.unparse, node.decorator_list)}
            if not is_property and (text := ast.get_docstring(node)):
                yield f"{name}:{node.lineno}", text


def test_any_exception_is_caught_only_at_a_boundary() -> None:
    """What catches everything stands where something else must go on, and nowhere else."""
    assert {name for name, tree in DEPLOYED.items() if catches_anything(tree)} == BOUNDARIES.keys()


def test_settings_are_read_where_objects_are_composed() -> None:
    """Everything else takes what it needs as arguments, so that a test can hand it in."""
    calls = {
        name
        for name, tree in DEPLOYED.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "Settings.from_environment"
    }
    assert calls == COMPOSING


def test_the_environment_is_seen_by_three_modules() -> None:
    """Settings are read in one place; the live environment is for what changes in it."""
    seen = {
        name
        for name, tree in DEPLOYED.items()
        for node in ast.walk(tree)
        if ast.unparse(node) in {"os.environ", "ENVIRONMENT"}
    }
    assert seen == ENVIRONMENT


def test_seconds_that_are_promised_go_on_in_a_freeze() -> None:
    """Nobody keeps a key, a limit or a breaker's pause by a clock that may stand still."""
    seen = {
        name
        for name, tree in DEPLOYED.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom | ast.Attribute)
        if {"monotonic", "time.monotonic"} & {*ast.unparse(node).replace(",", " ").split()}
    }
    assert seen == MONOTONIC.keys()


@pytest.mark.parametrize("name", [name for name in MODULES if name.endswith("__init__.py")])
def test_a_package_says_what_it_is_for(name: str) -> None:
    """A stranger who opens a folder reads in its first lines what it holds."""
    assert ast.get_docstring(MODULES[name])


@pytest.mark.parametrize(
    "subpackage", sorted(path.parent.name for path in PROJECT.glob("shared/silvaengine/*/__init__.py"))
)
def test_a_subpackage_says_who_uses_it(subpackage: str) -> None:
    """A subpackage's docstring has two sentences at least: what it is for, and who may import it."""
    text = ast.get_docstring(MODULES[f"silvaengine/{subpackage}/__init__.py"]) or ""
    assert len(text.replace(".\n", ". ").split(". ")) >= 2


def test_docstrings_begin_with_what_is_returned_or_done() -> None:
    """Return, raise or do: the reader of a signature needs the verb that programmers use."""
    strange = ("Give", "Gives", "Tell", "Tells", "Hand", "Whether")
    assert [place for place, text in docstrings() if text.split()[0] in strange] == []
