"""Print the project's rooms and which of them each imports, with the number of importing modules."""

import sys
from collections import Counter, defaultdict
from pathlib import Path

import grimp

FRAMEWORK = "silvaengine"
PACKAGES = ("base", "cli", "http", "tasks", "utility", "websocket", "worker")


def room_of(module: str) -> str:
    """Return a framework module's room, and any other module's package."""
    package, _, rest = module.partition(".")
    return f"{package}.{rest.partition('.')[0]}" if package == FRAMEWORK and rest else package


def lines_of(module: str) -> int:
    """Return the lines of a module's source."""
    path = module.replace(".", "/")
    return sum(
        len(file.read_text().splitlines())
        for folder in (Path(), *Path().glob("services/*"), Path("shared"), Path("cli"))
        for file in (folder / f"{path}.py", folder / path / "__init__.py")
        if file.is_file()
    )


def main() -> None:
    """Print a line for each room: modules, lines, and the rooms that it imports."""
    graph = grimp.build_graph(FRAMEWORK, *(f"{FRAMEWORK}_{name}" for name in PACKAGES), cache_dir=None)
    arrows: defaultdict[str, Counter[str]] = defaultdict(Counter)
    modules: Counter[str] = Counter()
    lines: Counter[str] = Counter()
    for module in graph.modules:
        room = room_of(module)
        modules[room] += 1
        lines[room] += lines_of(module)
        for imported in {room_of(each) for each in graph.find_modules_directly_imported_by(module)} - {room}:
            arrows[room][imported] += 1
    for room in sorted(modules):
        targets = ", ".join(f"{name} ({count})" for name, count in arrows[room].most_common())
        sys.stdout.write(f"{room:28} {modules[room]:3} modules {lines[room]:5} lines  -> {targets}\n")


if __name__ == "__main__":
    main()
