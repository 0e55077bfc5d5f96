"""A motor whose bearing warms with its load and lags behind it, with three faults.

Owns the machine scenario's world: a two-shift schedule, a thermal model with two time constants, a sensor with
noise, three ways of going wrong. The healthy model's own noise-free temperature comes along as `predicted` and
stands for a trained model until one is trained.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from windrow.errors import ConfigError
from windrow.simulate.asked import asked
from windrow.simulate.fault import Fault

__all__ = ["Motor", "motor"]

Floats = np.ndarray[Any, np.dtype[np.float64]]

#: Standard deviation of the temperature sensor, in kelvin.
NOISE = 0.35
#: Time constants of bearing and housing in minutes, each with its warming in kelvin per kilowatt.
THERMAL = ((12.0, 1.6), (90.0, 2.4))
MINUTE = 60_000_000_000


@dataclass(frozen=True)
class Motor:
    """Simulated measurements, one row a minute.

    Attributes
    ----------
    time : ndarray of int64, shape (n,)
        Nanoseconds since the epoch.
    machine : str
        Its name.
    motor_speed, torque, ambient_temperature, bearing_temperature, predicted : ndarray of float64, shape (n,)
        Revolutions a minute, newton metres, and degrees Celsius.
    fault : ndarray of str, shape (n,)
        The fault under way, or empty.
    faults : tuple of Fault
        What was injected; empty when healthy.
    """

    time: np.ndarray[Any, np.dtype[np.int64]]
    machine: str
    motor_speed: Floats
    torque: Floats
    ambient_temperature: Floats
    bearing_temperature: Floats
    predicted: Floats
    fault: np.ndarray[Any, Any]
    faults: tuple[Fault, ...]
    healthy: bool

    def __len__(self) -> int:
        """Rows."""
        return len(self.time)

    def columns(self) -> dict[str, np.ndarray[Any, Any]]:
        """Give the rows as named arrays, `fault` last (and only unless healthy)."""
        columns: dict[str, np.ndarray[Any, Any]] = {
            "time": self.time.view("M8[ns]"),
            "machine": np.full(len(self), self.machine),
            "motor_speed": self.motor_speed,
            "torque": self.torque,
            "ambient_temperature": self.ambient_temperature,
            "bearing_temperature": self.bearing_temperature,
            "predicted": self.predicted,
        }
        if not self.healthy:
            columns["fault"] = self.fault
        return columns

    def csv(self) -> Iterator[str]:
        """Write the rows as lines of CSV, header first; times in ISO 8601, UTC."""
        columns = self.columns()
        yield ",".join(columns) + "\n"
        columns["time"] = np.char.add(np.datetime_as_string(columns["time"].astype("M8[s]")), "Z")
        lists = [column.tolist() for column in columns.values()]
        for row in zip(*lists, strict=True):
            yield ",".join(f"{value:.3f}" if isinstance(value, float) else value for value in row) + "\n"


def motor(
    days: float = 14,
    seed: int = 7,
    healthy: bool = False,
    start: datetime = datetime(2026, 1, 5, tzinfo=UTC),
    machine: str = "motor-1",
) -> Motor:
    """Simulate a motor's measurements, minute by minute.

    The motor runs in two shifts on workdays at changing speed and load and stands still otherwise. Its bearing is
    warmer than the air by a lagged response to the power, `speed x torque`, with time constants of 12 and 90
    minutes; the sensor adds noise of 0.35 K.

    Unless healthy, three things go wrong: **after a long idle** (the first start after the longest standstill runs
    rough and warm for two hours), a **steep drop** (the reading falls by 9 K within minutes and stays there for an
    hour, as a sensor does that comes loose), **hot for its speed** (4 K more than the load explains, for four
    hours).

    Parameters
    ----------
    days : float
        Length, positive; from eight on there is a weekend to idle through.
    seed : int
        The same seed gives the same rows.
    healthy : bool
        Leave the faults, and their labels, out.
    start : datetime
        Time of the first row, aware; a Monday fits the shifts.
    machine : str
        Its name.

    Returns
    -------
    Motor
        With `predicted`, the healthy thermal model's noise-free temperature for the same inputs.

    Raises
    ------
    ConfigError
        An argument can't be meant: `days` isn't positive or beyond ten years, `start` has no time zone, ...

    Examples
    --------
    >>> from windrow import simulate
    >>> machine = simulate.motor()
    >>> [fault.kind for fault in machine.faults]
    ['after a long idle', 'steep drop', 'hot for its speed']
    >>> error = machine.bearing_temperature - machine.predicted
    >>> float(error[machine.fault == ""].std().round(2))
    0.35
    """
    asked(days, seed, healthy, start)
    if not isinstance(machine, str):
        raise ConfigError(f"`machine` must be text, got {machine!r}")
    random = np.random.default_rng(seed)
    rows = max(int(days * 1440), 1)
    minute = int(start.timestamp()) // 60 + np.arange(rows)
    hour = minute / 60 % 24
    weekday = (minute // 1440 + 3) % 7
    running = (weekday < 5) & (hour >= 6) & (hour < 22)
    speed = np.where(running, _lagged(_steps(random, rows, 600, 1500), 2.0) + random.normal(0, 6, rows), 0.0)
    torque = np.where(running, _lagged(_steps(random, rows, 25, 80), 2.0) + random.normal(0, 0.8, rows), 0.0)
    ambient = 19 + 4 * np.sin((hour - 9) / 24 * 2 * np.pi) + _lagged(random.normal(0, 30, rows), 600)
    kilowatts = speed * (2 * np.pi / 60) * torque / 1000
    predicted = ambient + sum(kelvin * _lagged(kilowatts, minutes) for minutes, kelvin in THERMAL)
    observed = predicted + random.normal(0, NOISE, rows)
    label = np.full(rows, "", "U20")
    faults: list[Fault] = []

    def inject(kind: str, first: int, minutes: int, shape: Floats) -> None:
        part = slice(first, min(first + minutes, rows))
        observed[part] += shape[: part.stop - first]
        label[part] = kind
        begin, end = (start + timedelta(minutes=int(at)) for at in (first, part.stop))
        faults.append(Fault(kind, begin, end, {"machine": machine}, ("bearing_temperature",)))

    if not healthy:
        since = np.arange(240.0)
        inject(
            "after a long idle",
            _start_after_idle(running),
            120,
            5 * np.minimum(since / 10, 1) * np.exp(-since / 150),
        )
        inject("steep drop", _shift(running, 0.72), 60, -9 * np.minimum(since / 6, 1))
        inject("hot for its speed", _shift(running, 0.80), 240, 4 * np.minimum(since / 20, 1))
    return Motor(
        time=minute * MINUTE,
        machine=machine,
        motor_speed=speed,
        torque=torque,
        ambient_temperature=ambient,
        bearing_temperature=observed,
        predicted=predicted,
        fault=label,
        faults=tuple(faults),
        healthy=healthy,
    )


def _steps(random: np.random.Generator, rows: int, low: float, high: float) -> Floats:
    """Draw a level that is kept for 20 to 90 minutes, then changes."""
    lengths = random.integers(20, 90, rows // 20 + 1)
    return np.repeat(random.uniform(low, high, len(lengths)), lengths)[:rows]


def _lagged(values: Floats, minutes: float) -> Floats:
    """Compute the response of a first-order lag, by its exact discrete form, from rest."""
    keep = float(np.exp(-1 / minutes))
    level, out = 0.0, []
    for value in values.tolist():
        level = keep * level + (1 - keep) * value
        out.append(level)
    return np.array(out)


def _start_after_idle(running: np.ndarray[Any, np.dtype[np.bool_]]) -> int:
    """Find the row in which the motor starts after its longest standstill."""
    starts = np.flatnonzero(running & ~np.roll(running, 1))
    stops = np.flatnonzero(~running & np.roll(running, 1))
    idle = [(start - stops[stops < start].max(initial=0), start) for start in starts]
    return int(max(idle, key=lambda pair: pair[0])[1]) if idle else 0


def _shift(running: np.ndarray[Any, np.dtype[np.bool_]], share: float) -> int:
    """Three hours into the first shift that begins after this share of all rows, or that row itself."""
    starts = np.flatnonzero(running & ~np.roll(running, 1))
    later = starts[starts >= share * len(running)]
    return int(later[0]) + 180 if len(later) and later[0] + 480 < len(running) else int(share * len(running))
