"""Real streets as the tests read them: one series a counter, local wall time, cleaned the same way for all.

Owns no test. `WINDROW_LONG=1` runs all series; the default is one of each kind, cut to what is quick.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

LONG = os.environ.get("WINDROW_LONG", "") not in ("", "0")

Series = tuple[str, np.ndarray, np.ndarray]


def clean(name: str, time: pd.Series | pd.DatetimeIndex, value: object) -> Series:
    """Name, values and epoch seconds: each time once, in order, without nulls."""
    series = pd.Series(np.asarray(value, float), index=pd.DatetimeIndex(time))
    series = series[~series.index.duplicated()].sort_index().dropna()
    seconds = series.index.to_numpy().astype("datetime64[s]").astype("int64")
    return name, series.to_numpy(), seconds


def pems(root: Path) -> Iterator[Series]:
    frame = pd.concat([pd.read_csv(root / "pems_flow_5min" / name) for name in ("train.csv", "test.csv")])
    yield clean("pems", pd.to_datetime(frame.iloc[:, 0], format="%d/%m/%Y %H:%M"), frame.iloc[:, 1])


def berlin(root: Path) -> Iterator[Series]:
    frame = pd.read_csv(root / "telraam_berlin" / "berlin_dev.csv.gz")
    frame = frame[frame.uptime > 0.5]
    for segment, rows in frame.groupby("segment_id"):
        yield clean(f"berlin {segment}", pd.to_datetime(rows.date_local), rows.car_total)


def melbourne(root: Path) -> Iterator[Series]:
    frame = pd.read_csv(root / "melbourne_ped_hourly" / "melbourne_dev.csv.gz")
    for sensor, rows in frame.groupby("sensor_id"):
        yield clean(f"melbourne {sensor}", pd.to_datetime(rows.timestamp), rows["count"])


def i94(root: Path) -> Iterator[Series]:
    frame = pd.read_csv(root / "metro_i94_hourly" / "Metro_Interstate_Traffic_Volume.csv.gz")
    yield clean("i94", pd.to_datetime(frame.date_time, format="%d-%m-%Y %H:%M"), frame.traffic_volume)


def load(root: Path) -> list[Series]:
    """The streets of a run."""
    if LONG:
        return [one for source in (pems, berlin, melbourne, i94) for one in source(root) if len(one[1]) > 800]
    # The motorway has gaps of months, the third counter long nights without anybody.
    few = [next(pems(root)), next(berlin(root)), list(melbourne(root))[2], next(i94(root))]
    return [(name, values[:12_000], times[:12_000]) for name, values, times in few]
