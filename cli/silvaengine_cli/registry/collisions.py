"""Gateway settings of more than one endpoint: a setting id doesn't say where its area ends."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from silvaengine.tables import CONFIG_DATA, CONNECTIONS, ENDPOINTS, FUNCTIONS, Table
from silvaengine_cli.registry.rows import Row, key_row_endpoint


def colliding_settings(rows: Iterable[tuple[Table, Row]]) -> Iterator[tuple[str, str]]:
    """Return each setting id ``{stage}_{area}_{endpoint_id}`` of several endpoints, and what is wrong.

    An endpoint has the settings of those areas in which a key opens functions at it.
    """
    by_table: dict[Table, list[Row]] = defaultdict(list)
    for table, row in rows:
        by_table[table].append(row)
    area_of = {FUNCTIONS.key_of(row): row.get("area") for row in by_table[FUNCTIONS]}
    areas_of_package: dict[str, set[str]] = defaultdict(set)
    for row in by_table[FUNCTIONS]:
        areas_of_package[row.get("package", "")].add(row.get("area") or "")
    opened: dict[str, set[str]] = defaultdict(set)
    for row in by_table[CONNECTIONS]:
        areas = {area_of.get(FUNCTIONS.key_of(entry)) for entry in row.get("functions") or ()}
        areas = areas.union(*(areas_of_package[entry["package"]] for entry in row.get("packages") or ()))
        opened[row["endpoint_id"]] |= set(filter(None, areas))
    paths: dict[str, list[str]] = defaultdict(list)
    for row in by_table[ENDPOINTS]:
        endpoint_id = row["endpoint_id"]
        for area in opened[key_row_endpoint(row)]:
            paths[f"_{area}_{endpoint_id}"].append(f"/{area}/{endpoint_id}")
    shared = {name: sorted(alike) for name, alike in paths.items() if len(alike) > 1}
    for setting_id in dict.fromkeys(row["setting_id"] for row in by_table[CONFIG_DATA]):
        for name, alike in shared.items():
            if setting_id.removesuffix(name) not in {"", setting_id}:
                them = " and ".join(alike)
                yield setting_id, f"are those of {them} alike: give one of them another area or endpoint"
