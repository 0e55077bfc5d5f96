"""W2: residual scores of many rows beside what people use today, ``columns=["score"]`` and all of them.

Observed less predicted, smoothed over 12 rows, divided by the exponentially weighted RMSE of the rows before. 100
series that take turns, and one alone, where dataframe engines are at their best. duckdb is not here: it has no
exponentially weighted window function.
"""

import math
from collections import deque

import floors
import numpy as np
import polars as pl
import pyarrow as pa
import pytest
import river.stats
import river.utils
import windrow as wr
from race import Peer
from workload import BATCH, FEW, ROWS, START

HALF_LIFE = 1_000
SMOOTH = 12
KEEP = 2 ** (-1 / HALF_LIFE)
#: river takes more than a microsecond a row.
FEWEST = FEW // 5


def residuals(series):
    random = np.random.default_rng(11)
    codes = np.tile(np.arange(series, dtype=np.int32), ROWS // series + 1)[:ROWS]
    predicted = random.normal(60, 5, ROWS)
    return pa.table(
        {
            "time": pa.array(START + np.arange(ROWS) * 10_000_000, pa.timestamp("ns", "UTC")),
            "machine": pa.DictionaryArray.from_arrays(codes, [f"machine-{i:03}" for i in range(series)]),
            "observed": predicted + random.normal(0, 0.35, ROWS),
            "predicted": predicted,
        }
    )


def windrow(batches, by, columns):
    scorer = wr.ResidualScorer(by=by, rmse=wr.ewm(HALF_LIFE), smooth=SMOOTH, columns=columns)
    for batch in batches:
        out = scorer.push(batch)
    return out


def polars(frame, by, columns=("score",)):
    """S1 = r1^2, S = a S + (1 - a) r^2: ``ewm_mean(adjust=False)``, shifted by the row that is judged."""
    residual = pl.col("residual")
    rmse = (residual * residual).ewm_mean(half_life=HALF_LIFE, adjust=False).sqrt().shift(1)
    smoothed = residual.rolling_mean(SMOOTH)
    if by:
        rmse, smoothed = rmse.over(by), smoothed.over(by)
    return (
        frame.lazy()
        .with_columns((pl.col("observed") - pl.col("predicted")).alias("residual"))
        .with_columns(smoothed.alias("smoothed"), rmse.alias("rmse"))
        .with_columns((pl.col("smoothed") / pl.col("rmse")).alias("score"))
        .select(columns)
        .collect()
    )


def pandas(frame, by):
    residual = frame["observed"] - frame["predicted"]
    squares = residual * residual
    if not by:
        return (
            residual.rolling(SMOOTH).mean()
            / squares.ewm(halflife=HALF_LIFE, adjust=False).mean().shift(1) ** 0.5
        )
    rmse = (
        squares.groupby(frame[by], observed=True).transform(
            lambda values: values.ewm(halflife=HALF_LIFE, adjust=False).mean().shift(1)
        )
        ** 0.5
    )
    by = residual.groupby(frame[by], observed=True)
    return by.transform(lambda values: values.rolling(SMOOTH).mean()) / rmse


def plain_python(machines, observed, predicted):
    states, scores = {}, []
    for machine, seen, expected in zip(machines, observed, predicted, strict=True):
        residual = seen - expected
        state = states.get(machine)
        if state is None:
            state = states[machine] = [None, deque(maxlen=SMOOTH)]
        state[1].append(residual)
        square, recent = state
        full = square is not None and len(recent) == SMOOTH and square > 0
        scores.append(sum(recent) / SMOOTH / math.sqrt(square) if full else None)
        state[0] = residual * residual if square is None else KEEP * square + (1 - KEEP) * residual * residual
    return scores


def with_river(machines, observed, predicted):
    states, scores = {}, []
    for machine, seen, expected in zip(machines, observed, predicted, strict=True):
        residual = seen - expected
        state = states.get(machine)
        if state is None:
            recent = river.utils.Rolling(river.stats.Mean, window_size=SMOOTH)
            state = states[machine] = [0, river.stats.EWMean(fading_factor=1 - KEEP), recent]
        rows, square, recent = state
        recent.update(residual)
        full = rows >= SMOOTH - 1 and square.get() > 0
        scores.append(recent.get() / math.sqrt(square.get()) if full else None)
        square.update(residual * residual)
        state[0] += 1
    return scores


def same(ours, theirs):
    """The same value in every row, and null in the same rows."""
    theirs = np.array([math.nan if value is None else value for value in theirs])
    np.testing.assert_allclose(ours[: len(theirs)], theirs, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("series", "by", "scores", "everything"),
    [(100, "machine", floors.SCORES, floors.SCORES_ALL), (1, None, floors.SCORES_ONE, None)],
    ids=["100 series", "one series"],
)
def test_residuals(race, series, by, scores, everything):
    table = residuals(series)
    batches = table.to_batches(max_chunksize=BATCH)
    frame = pl.from_arrow(table)
    pandas_frame = table.to_pandas()
    columns = ("machine", "observed", "predicted")
    lists = [table.slice(0, FEW)[name].to_pylist() for name in columns]
    fewest = [column[:FEWEST] for column in lists]

    part = pl.from_arrow(table.slice(0, FEW))
    ours = windrow([part], by, ["score"]).to_polars()["score"].fill_null(math.nan).to_numpy()
    same(ours, polars(part, by)["score"])
    same(ours, pandas(pandas_frame.iloc[:FEW], by))
    same(ours, plain_python(*lists))
    same(ours, with_river(*fewest))
    race(
        scores,
        [
            Peer("windrow", lambda: windrow(batches, by, ["score"])),
            Peer("polars", lambda: polars(frame, by)),
            Peer("pandas", lambda: pandas(pandas_frame, by), rounds=2),
            Peer("plain Python", lambda: plain_python(*lists), rows=FEW, rounds=3),
            Peer("river", lambda: with_river(*fewest), rows=FEWEST, rounds=3),
            Peer("reading the inputs once", reading(table, by), rounds=5),
        ],
        ROWS,
        limit="reading the inputs once",
    )
    if everything:
        wanted = ("machine", "time", "residual", "smoothed", "rmse", "score")
        race(
            everything,
            [
                Peer("windrow", lambda: windrow(batches, by, None)),
                Peer("polars", lambda: polars(frame, by, wanted)),
            ],
            ROWS,
        )


def reading(table, by):
    """Keys, times and both numbers, each read once."""
    columns = [
        table["time"].cast(pa.int64()).to_numpy(),
        table["observed"].to_numpy(),
        table["predicted"].to_numpy(),
    ]
    if by:
        columns.append(table[by].combine_chunks().indices.to_numpy())
    return lambda: [np.max(column) for column in columns]
