"""Print the project's packages, the framework by subpackages, and which of them each imports."""

import sys
from collections import Counter, defaultdict
from pathlib import Path

import grimp

FRAMEWORK = "silvaengine"
PACKAGES = ("base", "cli", "http", "tasks", "utility", "websocket", "worker")


def subpackage_of(module: str) -> str:
    """Return a framework module's subpackage, and any other module's package."""
    package, _, rest = module.partition(".")
    return f"{package}.{rest.partition('.')[0]}" if package == FRAMEWORK and rest else package


def lines_of(module: str) -> int:
    """Return the number of lines of a module's source."""
    path = module.replace(".", "/")
    return sum(
        len(file.read_text().splitlines())
        for folder in (Path(), *Path().glob("services/*"), Path("shared"), Path("cli"))
        for file in (folder / f"{path}.py", folder / path / "__init__.py")
        if file.is_file()
    )


def main() -> None:
    """Print a line for each: modules, lines, and what it imports, with the number of importing modules."""
    graph = grimp.build_graph(FRAMEWORK, *(f"{FRAMEWORK}_{name}" for name in PACKAGES), cache_dir=None)
    imports: defaultdict[str, Counter[str]] = defaultdict(Counter)
    modules: Counter[str] = Counter()
    lines: Counter[str] = Counter()
    for module in graph.modules:
        name = subpackage_of(module)
        modules[name] += 1
        lines[name] += lines_of(module)
        imported = {subpackage_of(each) for each in graph.find_modules_directly_imported_by(module)}
        imports[name].update(imported - {name})
    for name in sorted(modules):
        targets = ", ".join(f"{each} ({count})" for each, count in imports[name].most_common())
        sys.stdout.write(f"{name:28} {modules[name]:3} modules {lines[name]:5} lines  -> {targets}\n")


if __name__ == "__main__":
    main()
