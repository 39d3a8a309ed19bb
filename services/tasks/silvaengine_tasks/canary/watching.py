"""Looking at the canaries that run, each minute: what is due is judged, turned and told, once.

A canary's mark leads to it, in the table of packages. A look is claimed there before it judges, so that two
sweepers never spend the same part of the judge's error; a turn is written on condition of the pointer that
was judged, so that whoever ends a canary by hand meanwhile wins. The turn leaves its notice in the mark: a
sweeper that dies before it told the operator has the next one do it. The mark goes last, once the canary has
ended, was told of, and its counts are deleted.
"""

import logging
import time
from collections.abc import Callable

from silvaengine.aws.table_client import Row, TableReader, TableWriter, open_table_reader, open_table_writer
from silvaengine.errors import ConditionFailedError, SilvaEngineError
from silvaengine.observability.alerts import AlertPublisher
from silvaengine.registry.outcomes import sum_outcomes
from silvaengine.registry.packages import CANARIES, POINTER_ITEM, Pointer
from silvaengine.registry.turns import turn
from silvaengine.settings import Settings
from silvaengine.tables import CONFIG_DATA, PACKAGES, Table, outcomes_setting_id
from silvaengine_tasks.canary.judging import TenantCalls, Verdict, judge

BY = "silvaengine sweeper"
SETTLED_SECONDS = 60  # from a canary's end until no instance reports it any more

_logger = logging.getLogger(__name__)


class Canaries:
    """The canaries of one stack's packages; tables may have those of others.

    Args:
        reader: reads rows consistently.
        writer: writes rows on a condition.
        alerts: tell the operator.
        package_prefix: the beginning of the ARNs of the stack's packages; None where there can't be any.
        clock: returns epoch seconds.
    """

    def __init__(
        self,
        reader: TableReader,
        writer: TableWriter,
        alerts: AlertPublisher,
        package_prefix: str | None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._alerts = alerts
        self._prefix = package_prefix
        self._clock = clock

    def look(self) -> None:
        """Look at each canary; log what can't be looked at, which the next run tries again."""
        if self._prefix is None:
            return
        try:
            marks = self._reader.query(PACKAGES, CANARIES)
        except SilvaEngineError as error:
            _logger.warning("Canaries can't be read: %s", error.reason)
            return
        for mark in marks:
            if mark["item"].startswith(self._prefix):
                self._try_look(mark)

    def _try_look(self, mark: Row) -> None:
        try:
            self._look(mark)
        except ConditionFailedError:
            _logger.info("Canary of %s: somebody else was at it", mark["item"])
        except Exception:  # boundary of a canary: others, and executions, don't wait for it
            _logger.exception("Canary of %s can't be looked at", mark["item"])

    def _look(self, mark: Row) -> None:
        if "notice" in mark:
            self._tell(mark)
        row = self._reader.get(PACKAGES, {"function_arn": mark["item"], "item": POINTER_ITEM}) or {}
        if "canary" in row:
            self._judge(mark, row)
        elif self._clock() - row.get("changed_at", 0) > SETTLED_SECONDS:
            self._clear(mark)

    def _judge(self, mark: Row, row: Row) -> None:
        pointer, now = Pointer.from_row(row), self._clock()
        canary = pointer.canary
        if canary is None:
            return
        self._claim(mark, int(now))
        rows = self._reader.query(CONFIG_DATA, outcomes_setting_id(mark["item"]))
        tenants = [
            TenantCalls(endpoint_id, *counts)
            for endpoint_id, counts in sum_outcomes(rows, canary.started_at).items()
            if pointer.covers(endpoint_id)
        ]
        elapsed, since = now - canary.started_at, now - mark.get("looked_at", canary.started_at)
        verdict = judge(tenants, elapsed, after=canary.after, since=since)
        if verdict.action == "back" or (verdict.action == "forward" and not canary.is_manual):
            self._turn(mark, row, verdict)

    def _claim(self, mark: Row, now: int) -> None:
        unchanged = "#looked_at = :seen" if "looked_at" in mark else "attribute_not_exists(#looked_at)"
        self._writer.update(
            PACKAGES,
            _key(PACKAGES, mark),
            "SET #looked_at = :now",
            condition=f"#started_at = :started_at AND {unchanged}",
            values={
                "now": now,
                "started_at": mark["started_at"],
                **({"seen": mark["looked_at"]} if "looked_at" in mark else {}),
            },
        )

    def _turn(self, mark: Row, row: Row, verdict: Verdict) -> None:
        tried = int(row["canary"]["release"])
        serves = tried if verdict.action == "forward" else int(row["release"])
        notice = {
            "package": row["package"],
            "canary": tried,
            "verdict": verdict.action,
            "reason": verdict.reason,
            "release": serves,
        }
        turn(
            self._writer,
            row,
            release=serves,
            pins=row["pins"],
            canary=None,
            by=BY,
            now=self._clock(),
            notice=notice,
        )
        self._tell({**mark, "notice": notice})

    def _tell(self, mark: Row) -> None:
        """Log what became of a canary and publish it; after a crash it is told twice."""
        notice = mark["notice"]
        name = f"canary {notice['canary']} of package {notice['package']!r}"
        _logger.warning("%s went %s: %s", name.capitalize(), notice["verdict"], notice["reason"])
        subject = f"silvaengine: {name} went {notice['verdict']}"
        self._alerts.publish(subject, f"{mark['item']} {mark['started_at']}", notice)
        self._writer.update(PACKAGES, _key(PACKAGES, mark), "REMOVE #notice")

    def _clear(self, mark: Row) -> None:
        for row in self._reader.query(CONFIG_DATA, outcomes_setting_id(mark["item"])):
            self._writer.delete(CONFIG_DATA, _key(CONFIG_DATA, row))
        key, seen = _key(PACKAGES, mark), {"seen": mark["started_at"]}
        self._writer.delete(PACKAGES, key, condition="#started_at = :seen", values=seen)


def open_canaries(settings: Settings, alerts: AlertPublisher) -> Canaries:
    """Return the canaries of the deployment."""
    return Canaries(open_table_reader(settings), open_table_writer(settings), alerts, settings.package_prefix)


def _key(table: Table, row: Row) -> dict[str, str]:
    return {name: row[name] for name in table.key_names}
