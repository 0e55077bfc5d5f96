"""How large the workloads are, and the rows of W1, which more than one bench goes through."""

import os

import numpy as np
import pyarrow as pa

#: 10 million as in the workloads' definition; a smaller number makes a quicker, rougher run.
ROWS = int(os.environ.get("WINDROW_BENCH_ROWS", "10_000_000"))
#: What Python goes through, which is slow and the same at any length.
FEW = min(ROWS, 500_000)
#: Rows a batch.
BATCH = 100_000
SERIES = 100
START = 1_767_225_600_000_000_000


def events(rows, step, series=SERIES, names="camera", skew=0.0):
    """Rows in time order with two seconds of disorder, keys as dictionary codes, 2 % nulls.

    With `skew`, the i-th series has a share of the rows in proportion to 1 / i ** skew.
    """
    random = np.random.default_rng(7)
    times = START + np.arange(rows) * step + random.integers(-(10**9), 10**9, rows)
    codes = random.integers(0, series, rows, dtype=np.int32)
    if skew:
        shares = np.arange(1, series + 1) ** -skew
        codes = random.choice(series, rows, p=shares / shares.sum()).astype(np.int32)
    return pa.table(
        {
            "time": pa.array(times, pa.timestamp("ns", "UTC")),
            "camera": pa.DictionaryArray.from_arrays(codes, [f"{names}-{i:03}" for i in range(series)]),
            "speed": pa.array(random.normal(50, 10, rows), mask=random.random(rows) < 0.02),
        }
    )
