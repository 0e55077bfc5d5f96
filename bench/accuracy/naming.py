"""Which sensor `joint` names: faults of one sensor, added to machines and places that run as ever.

    make accuracy-naming

Owns the section `naming`. A fault shifts one sensor, drawn at random, by so many of its own standard deviations; the
sensor of the first event from then on, within 60 rows, is right or it isn't.
"""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pyarrow as pa
import sections
import severity
import windrow as wr

SHIFTS = (2, 5, 10, 40, 200)
TRIALS = 60
#: Rows in which a fault has to be told of.
WITHIN = 60


def named(table: np.ndarray, fit: int, shift: float, seed: int) -> tuple[int, int]:
    """How many of the faults were told of, and how many by their own sensor."""
    rng = np.random.default_rng(seed)
    names = [f"s{at}" for at in range(table.shape[1])]
    seconds = 3_600 * np.arange(len(table))
    found = right = 0
    for _ in range(TRIALS):
        sensor, at = rng.integers(len(names)), fit + int(rng.integers(50, min(len(table) - fit - 100, 600)))
        rows = table[: at + WITHIN].copy()
        rows[at:, sensor] += rng.choice([-1, 1]) * shift * np.nanstd(table[:fit, sensor])
        detector = wr.Detector("joint", measures=names, time="time", time_unit="s", every="1h", fit_rows=fit)
        columns = {name: rows[:, column] for column, name in enumerate(names)}
        detector.push({"time": seconds[: len(rows)]} | columns)
        events = pa.table(detector.events()).to_pandas()
        start = pd.Timestamp(int(seconds[at]), unit="s", tz="UTC")
        told = events[(events.kind == "anomaly") & (events.start >= start)].sort_values("start")
        if len(told):
            found += 1
            right += told.measure.iloc[0] == names[sensor]
    return found, right


def main() -> None:
    """Break each and write the section."""
    began = time.process_time()
    root = sections.data()
    years, hours = severity.turbine(root), severity.city(root)
    tables = {
        "turbine, second year *": (years[1], 1_000),
        "turbine, fourth year": (years[3], 1_000),
        "turbine, fifth year": (years[4], 1_000),
        "city, second half *": (hours[len(hours) // 2 :], 1_000),
        "city, first half": (hours[: len(hours) // 2], 1_000),
        "plant, simulated *": (severity.plant(root), 500),
        "pump *": (severity.pump(root), 1_000),
    }
    rows = []
    for seed, (name, (table, fit)) in enumerate(tables.items()):
        counts = [named(table, fit, shift, seed) for shift in SHIFTS]
        rows.append([name, *(f"{right} of {found}" for found, right in counts)])
    text = f"""\
{sections.table(["fault, in standard deviations", *map(str, SHIFTS)], rows)}

Events that name the sensor at fault, of {TRIALS} faults as far as they were told of within {WITHIN} rows. `*` the rule
was chosen on it.

{sections.machine()}; about {time.process_time() - began:.0f} s.
"""
    print(text)
    sections.replace("naming", text)


if __name__ == "__main__":
    main()
