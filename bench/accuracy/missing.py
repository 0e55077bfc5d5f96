"""`counts` where windows are missing at random: the section `missing`.

    python bench/accuracy/missing.py

Owns which windows are taken out: by their times alone, so that a fault changes nothing about it. Series, faults and
budgets are `street_score`'s.
"""

from __future__ import annotations

import time

import numpy as np
import pyarrow as pa
import sections
import windrow as wr
from halves import DEVELOPMENT, OTHER, halves
from streets import Run, shown

#: The share of windows that never came.
SHARES = (0.0, 0.05, 0.2)
#: Faults of a kind and series.
REPETITIONS = 1


def judge(values: np.ndarray, times: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Severity and channel of each window, 0 and None of those that are missing."""
    seconds = times.astype("int64")
    # Multiplied by an odd number, minutes are spread as if by chance.
    there = seconds // 60 * 2_654_435_761 % 2**32 >= share * 2**32
    every = f"{int(np.median(np.diff(seconds)))}s"
    detector = wr.Detector(
        "counts", measures=["n"], time="time", time_unit="s", every=every, alarm=wr.Alarm(severity=0)
    )
    rows = pa.table(detector.push({"time": seconds[there], "n": values[there].astype(float)}))
    severity, channels = np.zeros(len(values)), np.full(len(values), None, object)
    severity[there] = np.nan_to_num(rows["severity"].to_numpy())
    channels[there] = rows["channel"].to_pylist()
    return severity, channels


def main() -> None:
    begun = time.process_time()
    score = sections.tool("street_score")
    series = score.load(str(sections.data()))
    place = {(one[0], one[1]): at for at, one in enumerate(series)}
    parts = {part: {place[one[0], one[1]] for one in members} for part, members in halves(series).items()}
    rows = []
    for share in SHARES:
        run = Run(
            score,
            series,
            judge=lambda values, times, share=share: judge(values, times, share),
            repetitions=REPETITIONS,
        )
        fixed = run.levels(parts[DEVELOPMENT])
        for part in (DEVELOPMENT, OTHER):
            cells = [shown(run.recall(parts[part], level)) for level in fixed]
            rows.append([f"{100 * share:g} %", part, *cells, *run.rates(parts[part])])
    budgets = [f"at {budget:g}" for budget in score.BUDGETS]
    text = f"""
Real series of which windows were taken out at random: the mean share of nine kinds of faults found at the thresholds
of the development half, and events a series-month at severity 50 and 80. A spike goes where its window does.

{sections.table(["missing", "part", *budgets, "events a month at 50", "at 80"], rows, 2)}

{sections.machine()}; about {time.process_time() - begun:.0f} s.
"""
    sections.replace("missing", text)
    print(text)


if __name__ == "__main__":
    main()
