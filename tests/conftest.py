"""Hypothesis profiles, and where the real data and the references lie.

Owns no test. `HYPOTHESIS_PROFILE=slow` looks harder, `emulated` less hard; the default is quick and always the same.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

SLOW_TO_MAKE = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
settings.register_profile(
    "fast",
    max_examples=40,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=SLOW_TO_MAKE,
)
# An emulated processor takes ten times as long; what is compared is the same.
settings.register_profile("emulated", settings.get_profile("fast"), max_examples=8)
settings.register_profile("slow", max_examples=3_000, deadline=None, suppress_health_check=SLOW_TO_MAKE)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))

ROOT = Path(__file__).parents[1]


def folder(variable: str, default: str) -> Path:
    path = Path(os.environ.get(variable, ROOT / default))
    if not path.is_dir():
        pytest.skip(f"{variable} is not set and {default} is not there")
    return path


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real data."""
    return folder("WINDROW_DATA", "../shared/data")


@pytest.fixture(scope="session")
def reference() -> Path:
    """The folder of other systems' own outputs."""
    return folder("WINDROW_REFERENCE", "../shared/reference")
