"""How large the workloads are: `WINDROW_BENCH_ROWS`, 2 million by default."""

import os

ROWS = int(os.environ.get("WINDROW_BENCH_ROWS", "2_000_000"))
