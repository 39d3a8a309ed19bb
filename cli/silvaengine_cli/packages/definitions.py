"""What a module of a function package defines, read from its source without running it.

Names are collected generously: what only running the module would show counts as unknown, not as missing.
"""

import ast
import warnings
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from pathlib import Path

# With these a module makes names, or finds modules, that its source doesn't show.
_MAKERS = {"__dict__", "exec", "globals", "locals", "modules", "setattr", "vars"}
_PATH_MAKERS = {"__path__", "modules"}
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)

type _Bindings = dict[str, list[ast.AST]]  # of a name, all that bind it


class Definitions:
    """What a module and its classes define; an answer is None where only running the module would tell.

    ``makes_modules`` says whether the module, a package, may have others than those in its folder.
    """

    def __init__(self, tree: ast.Module) -> None:
        nodes = list(ast.walk(tree))
        attributes = [node for node in nodes if isinstance(node, ast.Attribute) and not _is_self(node.value)]
        calls = [node for node in nodes if isinstance(node, ast.Call)]
        of_self = {call.func for call in calls if call.args and _is_self(call.args[0])}
        names = {node.id for node in nodes if isinstance(node, ast.Name) and node not in of_self}
        words = names.union(node.attr for node in attributes)
        self.makes_modules = bool(words & _PATH_MAKERS)
        self._makes_names = bool(words & _MAKERS)
        self._bindings = _bindings(tree)
        self._globals = {name for node in nodes if isinstance(node, ast.Global) for name in node.names}
        self._assigned = {node.attr for node in attributes if isinstance(node.ctx, ast.Store)}

    def members(self) -> set[str] | None:
        """Return the names of the module."""
        names = self._globals.union(self._bindings)
        return None if self._makes_names or names & {"*", "__getattr__"} else names

    def methods(self, class_name: str) -> set[str] | None:
        """Return the names of a class of the module: its own, inherited, or assigned from outside of it."""
        found = set(self._assigned)
        for node in self._bindings.get(class_name, ()):
            if not isinstance(node, ast.ClassDef) or node.decorator_list or node.keywords:
                return None
            found.update(_bindings(node))
            for base in node.bases:
                inherited = set() if ast.unparse(base) == "object" else self._inherited(base, node.lineno)
                if inherited is None:
                    return None
                found |= inherited
        is_open = self._makes_names or class_name in self._globals or "__getattr__" in found
        return None if is_open else found

    def _inherited(self, base: ast.expr, line: int) -> set[str] | None:
        """Return the names that a class of this module, wholly above a line, brings to one on that line."""
        bindings = self._bindings.get(base.id) if isinstance(base, ast.Name) else None
        if not bindings or any(getattr(node, "lineno", line) >= line for node in bindings):
            return None
        return self.methods(ast.unparse(base))


def read_definitions(path: Path) -> Definitions | None:
    """Return the definitions of the module at a path without suffix; None if it has no readable source."""
    sources = (path / "__init__.py", path.with_name(f"{path.name}.py"))
    source = next((each for each in sources if each.is_file()), None)
    try:
        with warnings.catch_warnings(action="ignore"):  # a package's escape sequences are its own affair
            return Definitions(ast.parse(source.read_bytes())) if source else None
    except (OSError, SyntaxError, ValueError):
        return None


def modules_in(folder: Path) -> set[str]:
    """Return the names of the modules and packages in a folder, compiled ones included."""
    if not folder.is_dir():
        return set()
    suffixes = (".py", ".pyc", ".so")
    names = (path.name for path in folder.iterdir() if path.is_dir() or path.suffix in suffixes)
    return {name.partition(".")[0] for name in names}


def _is_self(node: ast.expr) -> bool:
    """Return whether it is an object of a class, which gets no methods by what is done to it."""
    return isinstance(node, ast.Name) and node.id == "self"


def _bindings(scope: ast.Module | ast.ClassDef) -> _Bindings:
    found: _Bindings = defaultdict(list)
    for node in _nodes_of(scope.body):
        for name in _names_of(node):
            found[name].append(node)
    return dict(found)


def _nodes_of(body: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """Yield the nodes of a scope, without what is inside of the functions and classes in it."""
    pending = deque(body)
    while pending:
        node = pending.popleft()
        yield node
        if not isinstance(node, _SCOPES):
            pending.extend(ast.iter_child_nodes(node))


def _names_of(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.alias(name=name, asname=alias):
            yield alias or name.partition(".")[0]
        case ast.Name(id=name, ctx=ast.Store()):
            yield name
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
