"""Groups as the message that handlers of Amazon Lookout for Metrics' alerts parse.

Owns that message's form. It is sent once a group, when the group is first told of; ours has more numbers and is sent
again when the group closes.
"""

from __future__ import annotations

import datetime as dt
import uuid
import zoneinfo
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from windrow.state.message_id import series

__all__ = ["Lookout", "message"]

#: What a row of a group's series has beside its key.
_FIGURES = frozenset(["time", "observed", "expected", "lower", "upper", "severity", "channel"])


class Lookout:
    """Turns groups into messages, each once."""

    def __init__(self, alert: str, zone: str | None) -> None:
        self._alert, self._zone = alert, zone
        #: Groups that were told of and last.
        self._open: set[str] = set()

    def messages(self, groups: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
        """Give the messages of groups that weren't told of before."""
        for group in groups:
            told = group["id"] in self._open
            if group["end"] is None:
                self._open.add(group["id"])
            else:
                self._open.discard(group["id"])
            if not told:
                yield message(group, self._alert, self._zone)


def message(group: Mapping[str, Any], alert: str = "windrow", zone: str | None = None) -> dict[str, Any]:
    """Write one group as an alert's message.

    Parameters
    ----------
    group : mapping
        A row of `Detector.groups`.
    alert : str
        The alert's name.
    zone : str, optional
        The zone of its time; UTC unless given.
    """
    rows = group["series"]
    by = [name for name in rows[0] if name not in _FIGURES] if rows else []
    severity = group["severity"]
    return {
        "alertName": alert,
        "alertEventId": group["id"],
        "anomalyDetectorArn": f"arn:windrow:detector:{alert}",
        "alertArn": f"arn:windrow:alert:{alert}",
        "alertDescription": group["reason"],
        "impactedMetric": {
            "metricName": group["measure"],
            "dimensionContribution": [
                {
                    "dimensionName": one["dimension"],
                    "dimensionValueContributions": [
                        {"dimensionValue": part["value"], "valueContribution": round(part["share"], 2)}
                        for part in one["contributions"]
                    ],
                }
                for one in group["dimensions"]
            ],
            "relevantTimeSeries": [_series(row, group["measure"], by) for row in rows],
        },
        "timestamp": _timestamp(group["start"], zone),
        "anomalyScore": None if severity is None else round(severity, 2),
    }


def _series(row: Mapping[str, Any], measure: str, by: Sequence[str]) -> dict[str, Any]:
    return {
        # The same for the same series, whatever the group.
        "timeSeriesId": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{measure}/{series(row, by)}")),
        "dimensions": [
            {"dimensionName": name, "dimensionValue": None if row[name] is None else str(row[name])}
            for name in by
        ],
        "metricValue": row["observed"],
    }


def _timestamp(time: dt.datetime, zone: str | None) -> str:
    """Write a time as Java's `ZonedDateTime` does: no seconds where they are zero, the zone in brackets."""
    local = time.astimezone(zoneinfo.ZoneInfo(zone or "UTC"))
    whole = local.second == local.microsecond == 0
    text = local.isoformat(timespec="minutes" if whole else "auto")
    return (
        f"{text.removesuffix('+00:00')}Z[{zone or 'UTC'}]" if text.endswith("+00:00") else f"{text}[{zone}]"
    )
