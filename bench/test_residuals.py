"""W2: residual scores of many rows, ``columns=["score"]``, beside what people use today.

Observed less predicted, smoothed over 12 rows, divided by the exponentially weighted RMSE of the rows before; 100
series. duckdb is not here: it has no exponentially weighted window function.
"""

import math
from collections import deque

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
import windrow as wr
from workload import ROWS

WORKLOAD = "W2 residuals"
SERIES = 100
HALF_LIFE = 1_000
SMOOTH = 12


@pytest.fixture(scope="module")
def table():
    random = np.random.default_rng(11)
    codes = np.tile(np.arange(SERIES, dtype=np.int32), ROWS // SERIES + 1)[:ROWS]
    predicted = random.normal(60, 5, ROWS)
    return pa.table(
        {
            "time": pa.array(
                1_767_225_600_000_000_000 + np.arange(ROWS) * 10_000_000, pa.timestamp("ns", "UTC")
            ),
            "machine": pa.DictionaryArray.from_arrays(codes, [f"machine-{i:03}" for i in range(SERIES)]),
            "observed": predicted + random.normal(0, 0.35, ROWS),
            "predicted": predicted,
        }
    )


def windrow(batches, columns):
    scorer = wr.ResidualScorer(by="machine", rmse=wr.ewm(HALF_LIFE), smooth=SMOOTH, columns=columns)
    for batch in batches:
        out = scorer.push(batch)
    return out


def polars(table):
    """S1 = r1^2, S = a S + (1 - a) r^2: ``ewm_mean(adjust=False)``, shifted by the row that is judged."""
    residual = pl.col("observed") - pl.col("predicted")
    rmse = (residual * residual).ewm_mean(half_life=HALF_LIFE, adjust=False).sqrt().shift(1).over("machine")
    smoothed = residual.rolling_mean(SMOOTH).over("machine")
    return pl.from_arrow(table).lazy().select((smoothed / rmse).alias("score")).collect()


def pandas(frame):
    residual = frame["observed"] - frame["predicted"]
    by = frame["machine"]
    squares = (residual * residual).groupby(by, observed=True)
    rmse = (
        squares.transform(lambda values: values.ewm(halflife=HALF_LIFE, adjust=False).mean().shift(1)) ** 0.5
    )
    return residual.groupby(by, observed=True).transform(lambda values: values.rolling(SMOOTH).mean()) / rmse


def plain_python(machines, observed, predicted):
    keep = 2 ** (-1 / HALF_LIFE)
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
        state[0] = residual * residual if square is None else keep * square + (1 - keep) * residual * residual
    return scores


def test_windrow(measure, table):
    batches = table.to_batches(max_chunksize=100_000)
    assert measure(WORKLOAD, "windrow", ROWS, lambda: windrow(batches, ["score"])).columns == ["score"]


def test_windrow_all_columns(measure, table):
    batches = table.to_batches(max_chunksize=100_000)
    measure(WORKLOAD, "windrow, all columns", ROWS, lambda: windrow(batches, None))


def test_polars(measure, table):
    assert len(measure(WORKLOAD, "polars", ROWS, lambda: polars(table))) == ROWS


def test_pandas(measure, table):
    rows = ROWS // 4
    frame = table.slice(0, rows).to_pandas()
    assert len(measure(WORKLOAD, "pandas", rows, lambda: pandas(frame), rounds=1)) == rows


def test_plain_python(measure, table):
    rows = ROWS // 4
    part = table.slice(0, rows)
    columns = [part[name].to_pylist() for name in ("machine", "observed", "predicted")]
    assert len(measure(WORKLOAD, "plain Python", rows, lambda: plain_python(*columns), rounds=1)) == rows


def test_they_agree(table):
    part = table.slice(0, 50_000)
    ours = windrow(part.to_batches(), ["score"]).to_polars()["score"]
    theirs = polars(part)["score"]
    assert ours.is_null().to_list() == theirs.is_null().to_list()
    np.testing.assert_allclose(
        ours.drop_nulls().to_numpy(), theirs.drop_nulls().to_numpy(), rtol=1e-9, atol=1e-12
    )
