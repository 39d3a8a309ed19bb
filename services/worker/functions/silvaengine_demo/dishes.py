"""Functions with routes: one path is several functions by its methods. registry.yaml has the routes."""

from typing import Any

from silvaengine_base import FunctionError, current_invocation

_DISHES = {"soup": ["leek", "potato"], "bread": ["rye", "wheat"]}


def dish(name: str) -> dict[str, Any]:
    """Return a dish: ``GET /dishes/{name}``."""
    if name not in _DISHES:
        raise FunctionError(f"There is no {name}", status_code=404)
    return {"name": name, "made_of": _DISHES[name]}


def rate_dish(name: str, stars: int) -> dict[str, Any]:
    """Return what was sent: ``PUT /dishes/{name}``; the name is the path's, whatever the body says."""
    return {"name": name, "stars": stars, "tenant": current_invocation().endpoint_id}


def recipe(name: str, path: str) -> dict[str, Any]:
    """Return the rest of the path: ``GET /dishes/{name}/recipes/{path+}``."""
    return {"name": name, "steps": path.split("/")}
