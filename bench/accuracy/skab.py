"""SKAB: `joint` on 34 runs of a pump, fitted on the first 400 rows of each, scored as the leaderboard does.

    make accuracy-skab

Owns the section `skab`. The threshold is chosen on the development half alone; the default is shown beside it where
that is another one.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import sections
import windrow as wr

FIT = 400
#: Thresholds that the development half chooses from.
GRID = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.5)
#: What others published, on the whole benchmark: F1, false and missed alarms in %.
PUBLISHED = {
    "reference of this method": ("0.848", "19.8", "13.8"),
    "Conv-AE, leaderboard": ("0.78", "", ""),
    "MSET, leaderboard": ("0.78", "", ""),
    "T2 + Q (PCA), leaderboard": ("0.76", "", ""),
}

Run = tuple[np.ndarray, np.ndarray]


def runs(root: Path) -> dict[str, pd.DataFrame]:
    """The runs by group and number, as the scorer calls them."""
    files = [
        file for group in ("valve1", "valve2", "other") for file in (root / "skab" / group).glob("*.csv")
    ]
    return {
        f"{file.parent.name}_{file.stem}": pd.read_csv(file, sep=";", parse_dates=["datetime"])
        for file in files
    }


def judge(frame: pd.DataFrame, threshold: float) -> Run:
    """Alarms and change points of the rows after the fit."""
    sensors = list(frame.columns[1:9])
    alarm = wr.Alarm(threshold=threshold, breaches=3, of=5, clear_below=0.8 * threshold)
    detector = wr.Detector("joint", measures=sensors, time="datetime", fit_rows=FIT, alarm=alarm)
    batch = pa.table(detector.push(pa.table(frame[["datetime", *sensors]])))
    alarms = batch["state"].to_numpy().reshape(-1, len(sensors))[FIT:, 0] == "alarm"
    events = pa.table(detector.events()).to_pandas()
    starts = events.start[events.kind == "change_point"].dt.tz_localize(None)
    return alarms.astype(int), frame.datetime[FIT:].isin(starts).to_numpy().astype(int)


def main() -> None:
    """Score both settings and write the section."""
    began = time.process_time()
    scorer = sections.tool("skab_score")
    root = sections.data()
    frames, truth = runs(root), scorer.truth(str(root / "skab"))
    halves = {
        "development half": [name for name in truth if name in scorer.DEV],
        "other half": [name for name in truth if name not in scorer.DEV],
        "whole": list(truth),
    }

    def predict(threshold: float) -> dict[str, Run]:
        return {name: judge(frames[name], threshold) for name in truth}

    found = {threshold: predict(threshold) for threshold in GRID}
    best = max(GRID, key=lambda limit: scorer.total(halves["development half"], truth, found[limit])["F1"])
    rows = []
    for threshold in dict.fromkeys((best, 1.0)):
        name = f"`joint`, threshold {threshold:g}{' (the default)' if threshold == 1.0 else ''}"
        for half, files in halves.items():
            chosen = " *" if threshold == best and half != "other half" else ""
            rows.append([name, half + chosen, *figures(scorer.total(files, truth, found[threshold]))])
    always = {name: ([1] * len(one[0]), [0] * len(one[0])) for name, one in truth.items()}
    rows.append(["always in alarm", "whole", *figures(scorer.total(halves["whole"], truth, always))])
    every = {name: ([0] * len(one[0]), clock(one[0])) for name, one in truth.items()}
    rows.append(
        ["a clock, a change point a minute", "whole", *figures(scorer.total(halves["whole"], truth, every))]
    )
    rows += [[name, "whole *", *numbers, "", "", ""] for name, numbers in PUBLISHED.items()]
    heads = ["", "on", "F1", "false alarms, % of rows", "missed, % of rows", "change points: NAB"]
    heads += ["missed", "false"]
    least, most = min(GRID), max(GRID)
    text = f"""\
{sections.table(heads, rows, 2)}

`*` tuned on what it is quoted for. The development half chose the threshold, between {least} and {most}: {best:g}.
The other constants are the reference's, which was made with this benchmark at hand; count them as tuned on all of it:
0.79 to 0.83 is what to expect of other machines. Published figures are their authors'. Change points are worth little
here: a clock scores as well.

{sections.machine()}; about {time.process_time() - began:.0f} s.
"""
    print(text)
    sections.replace("skab", text)


def figures(total: dict[str, Any]) -> list[str]:
    """One line of the scorer as cells."""
    rates = [f"{total['F1']:.3f}", f"{total['FAR']:.1f}", f"{total['MAR']:.1f}"]
    return [*rates, f"{total['NAB'][0]:.1f}", f"{total['miss']} of {total['n']}", str(total["fp"])]


def clock(times: list[float], period: float = 60.0) -> list[int]:
    """A change point whenever so many seconds have passed."""
    fired, last = [], times[0] - period
    for one in times:
        fired.append(int(one - last >= period))
        last = one if fired[-1] else last
    return fired


if __name__ == "__main__":
    main()
