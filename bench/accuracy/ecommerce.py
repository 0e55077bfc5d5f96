"""Groups and their contributions on 21 series of a shop, by platform and marketplace, with labels.

    make accuracy-ecommerce

Owns the section `ecommerce`. The first half of the year teaches and chooses the severity; figures are of the second.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
import sections
import windrow as wr

BY = ["platform", "marketplace"]
HOUR = pd.Timedelta("1h")
#: Severities that the development half may choose from.
SEVERITIES = range(10, 100, 10)


def load() -> pd.DataFrame:
    """Rows of one measure: revenue is views times 0.3, labels and all."""
    frame = pd.read_csv(sections.data() / "l4m_ecommerce" / "label.csv.gz", parse_dates=["timestamp"])
    frame["timestamp"] = frame.timestamp.dt.tz_localize("UTC")
    return frame.sort_values(["timestamp", *BY], kind="stable").reset_index(drop=True)


def judge(frame: pd.DataFrame, method: str, severity: float) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
    """Rows in alarm, and all groups."""
    detector = wr.Detector(
        method, measures=["views"], by=BY, time="timestamp", every="1h", alarm=wr.Alarm(severity=severity)
    )
    judged = detector.push(frame[["timestamp", *BY, "views"]]).to_pandas()
    judged["label"] = frame.views_label.to_numpy()
    return judged, list(detector.groups())


def stretches(judged: pd.DataFrame) -> pd.DataFrame:
    """Labelled rows of a series that follow each other are one anomaly; `told` where it, or the hour after, alarms."""
    found = []
    for _, rows in judged.groupby(BY, sort=True):
        label, alarm = rows.label.to_numpy() > 0, (rows.state == "alarm").to_numpy()
        begins = np.flatnonzero(label & ~np.append(False, label[:-1]))
        ends = np.flatnonzero(label & ~np.append(label[1:], False))
        found += [
            (rows.time.iloc[a], alarm[a : b + 2].any()) for a, b in zip(begins, ends, strict=True)
        ]  # fmt: skip
    return pd.DataFrame(found, columns=["time", "told"])


def figures(judged: pd.DataFrame, half: pd.Series) -> dict[str, float]:
    """Precision by rows in alarm, recall by stretches."""
    near = judged.groupby(BY).label.shift(1, fill_value=0).to_numpy() + judged.label > 0
    alarmed = (judged.state == "alarm") & half
    all_stretches = stretches(judged)
    mine = all_stretches[all_stretches.time.isin(judged.time[half].unique())]
    precision = (alarmed & near).sum() / max(1, alarmed.sum())
    recall = mine.told.mean()
    return {
        "alarms": int(alarmed.sum()),
        "precision": precision,
        "recall": recall,
        "F1": 2 * precision * recall / max(1e-9, precision + recall),
    }


def named(
    groups: Iterable[dict[str, Any]], judged: pd.DataFrame, middle: pd.Timestamp
) -> tuple[int, int, int]:
    """True groups of the second half with several series, and of how many both top values are labelled ones."""
    labelled = judged[judged.label > 0]
    marked = {key: set(rows.time) for key, rows in labelled.groupby(BY)}
    true = several = right = 0
    for group in groups:
        start, end = pd.Timestamp(group["start"]), pd.Timestamp(group["end"] or group["start"])
        if start < middle:
            continue
        hours = pd.date_range(start - HOUR, max(start, end - HOUR), freq="1h")
        hit = [key for key, times in marked.items() if not times.isdisjoint(hours)]
        members = {tuple(one[name] for name in BY) for one in group["series"]}
        hit = [key for key in hit if key in members]
        if not hit:
            continue
        true += 1
        tops = [one["contributions"][0]["value"] for one in group["dimensions"]]
        several += len(members) > 1
        right += all(top in {key[at] for key in hit} for at, top in enumerate(tops))
    return true, several, right


def main() -> None:
    """Choose on the first half, quote the second, and write the section."""
    began = time.process_time()
    frame = load()
    middle = frame.timestamp.iloc[len(frame) // 2].normalize()
    rows = []
    for method in ("counts", "novelty"):
        runs = {severity: judge(frame, method, severity) for severity in SEVERITIES}
        first = {severity: figures(run[0], run[0].time < middle)["F1"] for severity, run in runs.items()}
        best = max(first, key=first.__getitem__)
        for severity, why in ((50, "the default"), (best, "best of the first half")):
            judged, groups = runs[severity]
            found = figures(judged, judged.time >= middle)
            true, several, right = named(groups, judged, middle)
            rows.append([
                f"`{method}`, severity {severity} ({why})", f"{found['alarms']:,}", f"{found['precision']:.2f}",
                f"{found['recall']:.2f}", f"{found['F1']:.2f}", f"{right} of {true}", f"{several}",
            ])  # fmt: skip
    many = len(stretches(runs[50][0]))
    heads = [
        "second half of the year",
        "rows in alarm",
        "precision",
        "recall",
        "F1",
        "top values right",
        "of several series",
    ]
    text = f"""\
{sections.table(heads, rows)}

183,960 hourly rows, 21 series, made by Amazon's generator; 2,755 rows are labelled, {many:,} stretches, about 3 a
series-month, of which severity 50, once a month, is meant to tell the rarest. An alarm is right within a labelled
stretch or the hour after it (precision, by rows in alarm); a stretch is found where it or the hour after alarms
(recall). A group is true where one of its series is labelled then; its top values are right where the first platform
and the first marketplace of its contributions are those of labelled series. Last column: true groups of more than one
series.

{sections.machine()}; about {time.process_time() - began:.0f} s.
"""
    print(text)
    sections.replace("ecommerce", text)


if __name__ == "__main__":
    main()
