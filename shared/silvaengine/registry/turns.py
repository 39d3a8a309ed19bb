"""Turning a package's pointer: whoever publishes, promotes, takes back or judges a canary writes it so.

A turn is one transaction on condition of the pointer that was seen: the pointer, the releases that it names,
which must be there, and the registry's generation, which announces it. A canary that begins has a mark, by
which the sweeper finds it without reading all packages; the sweeper deletes it once the canary has ended and
nothing is left of it.
"""

from collections.abc import Iterator, Mapping

from silvaengine.aws.attribute_values import encode_row
from silvaengine.aws.table_client import Row, TableWriter, Write
from silvaengine.registry.generation import raise_generation
from silvaengine.registry.packages import CANARIES, POINTER_ITEM, release_item
from silvaengine.tables import CONFIG_DATA, GENERATION_KEY, PACKAGES


def turn(
    tables: TableWriter,
    seen: Row,
    *,
    release: int,
    pins: Mapping[str, int],
    canary: Row | None,
    by: str,
    now: float,
    notice: Row | None = None,
) -> Row:
    """Turn a package's pointer, and return its new row.

    Args:
        tables: writes the transaction.
        seen: the pointer's row as it was read; ``function_arn`` and ``package`` of a package without one.
        release: the number of the release that serves from now on.
        pins: the tenants that another release serves, with its number.
        canary: the attribute ``canary``; None if none runs from now on.
        by: who turns it.
        now: epoch seconds.
        notice: what the operator is to be told of a canary that ends; its mark has it until that is done.

    Raises:
        ConditionFailedError: the pointer has changed since, or a release isn't there; nothing was written.
        UnavailableError: DynamoDB throttles or can't be reached; it may have been written.
    """
    before = {name: value for name, value in seen.items() if name != "canary"}
    after = {**before, "item": POINTER_ITEM, "release": release, "pins": dict(pins)}
    if canary is not None:
        after["canary"] = canary
    if "release" in seen:
        after["left"] = _left(seen, after, int(now))
        if release != seen["release"]:
            after["previous"] = seen["release"]
    after |= {"revision": seen.get("revision", 0) + 1, "changed_at": int(now), "by": by}
    tables.transact(_writes(seen, after, notice))
    # Once more, since only each item of a transaction is read as a whole: an instance may have read this
    # generation and then the old pointer.
    # docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html
    raise_generation(tables)
    return after


def serving(pointer: Row) -> set[int]:
    """Return the numbers of the releases that serve: all tenants, or those that are pinned or covered."""
    canary = {pointer["canary"]["release"]} if "canary" in pointer else set()
    return {pointer["release"], *pointer["pins"].values(), *canary}


def _left(seen: Row, after: Row, now: int) -> Row:
    """Return when each release left that serves nobody any more."""
    left = {**seen.get("left", {}), **{str(number): now for number in serving(seen)}}
    return {number: at for number, at in left.items() if int(number) not in serving(after)}


def _writes(seen: Row, after: Row, notice: Row | None) -> Iterator[Write]:
    arn = after["function_arn"]
    key = {"function_arn": arn, "item": POINTER_ITEM}
    stored = seen if "revision" in seen else key
    changed = {name: value for name, value in after.items() if name not in key and stored.get(name) != value}
    yield Write(
        "Update",
        PACKAGES,
        {
            "Key": encode_row(key),
            "UpdateExpression": f"SET {', '.join(f'#{name} = :{name}' for name in changed)}"
            + (" REMOVE #canary" if "canary" in seen.keys() - after.keys() else ""),
        },
        "#revision = :seen" if "revision" in seen else "attribute_not_exists(#item)",
        {**changed, **({"seen": seen["revision"]} if "revision" in seen else {})},
    )
    for number in sorted(serving(after)):
        released = {"Key": encode_row({"function_arn": arn, "item": release_item(number)})}
        yield Write("ConditionCheck", PACKAGES, released, "attribute_exists(#item)")
    generation = {"Key": encode_row(GENERATION_KEY), "UpdateExpression": "ADD #value :one"}
    yield Write("Update", CONFIG_DATA, generation, values={"one": 1})
    mark = {"function_arn": CANARIES, "item": arn}
    canary, before = after.get("canary"), seen.get("canary")
    if canary and (not before or before["started_at"] != canary["started_at"]):  # else it grows
        yield Write("Put", PACKAGES, {"Item": encode_row({**mark, "started_at": canary["started_at"]})})
    elif notice is not None:
        told = {"Key": encode_row(mark), "UpdateExpression": "SET #notice = :notice"}
        yield Write("Update", PACKAGES, told, values={"notice": notice})
