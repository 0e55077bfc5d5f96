"""The detectors as callables for the scoring tools: `street_score.py` and `nab_score.py`.

    python ../shared/tools/street_score.py bench/accuracy/detectors.py:street_counts
    python ../shared/tools/street_score.py bench/accuracy/detectors.py:street_novelty
    python ../shared/tools/nab_score.py bench/accuracy/detectors.py:nab_novelty

Owns the translation between arrays and tables, nothing else. Street tools want a severity a point, the benchmark a
score from 0 to 1.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import windrow as wr


def figures(method: str, column: str, values: np.ndarray, seconds: np.ndarray) -> np.ndarray:
    """One column of what the detector says of a whole series, nulls as 0."""
    detector = wr.Detector(method, measures=["value"], time="time", time_unit="s")
    batch = detector.push({"time": np.asarray(seconds).astype("int64"), "value": np.asarray(values, float)})
    return np.nan_to_num(pa.table(batch)[column].to_numpy())


def street_counts(values: np.ndarray, seconds: np.ndarray) -> np.ndarray:
    """Severity of counts."""
    return figures("counts", "severity", values, seconds)


def street_novelty(values: np.ndarray, seconds: np.ndarray) -> np.ndarray:
    """Severity of novelty, a return period like that of counts."""
    return figures("novelty", "severity", values, seconds)


def street_novelty_score(values: np.ndarray, seconds: np.ndarray) -> np.ndarray:
    """Score of novelty, as the reference's figures on streets are quoted."""
    return figures("novelty", "score", values, seconds)


def nab_novelty(values: np.ndarray, seconds: np.ndarray) -> np.ndarray:
    """Score of novelty, 0 to 1."""
    return figures("novelty", "score", values, seconds) / 100


def nab_novelty_severity(values: np.ndarray, seconds: np.ndarray) -> np.ndarray:
    """Severity of novelty, 0 to 1."""
    return figures("novelty", "severity", values, seconds) / 100


def nab_counts(values: np.ndarray, seconds: np.ndarray) -> np.ndarray:
    """Severity of counts, 0 to 1: what the best detector of streets makes of the benchmark."""
    return figures("counts", "severity", values, seconds) / 100
