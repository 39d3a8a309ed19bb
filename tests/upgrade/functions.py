"""Functions that the stacks of both versions run, of names that no version changes."""

from silvaengine_base import current_invocation
from silvaengine_utility.calls import call_function


def hail(name: str) -> dict[str, str]:
    """Return a greeting."""
    return {"message": f"Hail, {name}!"}


def relay(name: str) -> object:
    """Return what another function does, called through the tasks Lambda."""
    return call_function("demo", "hello", {"name": name})


def keyed() -> dict[str, str]:
    """Return what is the same in all attempts of a call, and in no other call."""
    token = current_invocation().fencing_token
    return {"effect": token.effect if token else ""}


def second_time() -> dict[str, int]:
    """Fail once, and return the number of the attempt after that."""
    token = current_invocation().fencing_token
    if token is None or token.number == 1:
        raise RuntimeError("the first attempt fails")
    return {"attempt": token.number}
