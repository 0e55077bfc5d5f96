"""A junction seen by two cameras: what their trackers send, with three faults.

Owns the traffic scenario's world: how many cars and persons pass, how long each is tracked, how late its messages
arrive, what goes wrong. Everything is drawn at once with NumPy, since weeks of history are needed before the first
fault. How a message is spelled is in `messages`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from windrow.errors import ConfigError
from windrow.simulate.asked import asked, positive
from windrow.simulate.fault import Fault
from windrow.simulate.messages import FORMS, spell

__all__ = ["Traffic", "traffic"]

CAMERAS = ("north", "south")
#: What the messages call cars and persons; the last is a heartbeat, which shows nothing but that the camera lives.
CLASSES = ("vehicle", "person", "")
CAR, PERSON, HEARTBEAT = 0, 1, 2
#: Share of all passers-by that each camera sees.
BUSYNESS = (1.0, 0.7)
#: Seconds between two messages about the same object.
FRAME = (1.0, 2.0)
#: Messages are delivered up to this many seconds after their time, so two seconds of patience lose none.
DELIVERY = 1.9
SECOND = 1_000_000_000


@dataclass(frozen=True)
class Traffic:
    """Simulated tracker messages, one a row, in the order of their delivery.

    Attributes
    ----------
    time : ndarray of int64, shape (n,)
        When the camera saw it, in nanoseconds since the epoch.
    camera, kind : ndarray of uint8, shape (n,)
        Indices into `CAMERAS` and `CLASSES`.
    track : ndarray of int64, shape (n,)
        The tracker's number of the object, unique only with its camera and class; 0 in heartbeats.
    fault : ndarray of uint8, shape (n,)
        0, or 1 + the index into `faults` of the fault under way at the junction at that time, whichever camera
        it concerns (a stopped camera sends nothing that could carry a label).
    faults : tuple of Fault
        What was injected; empty when healthy.
    """

    time: np.ndarray[Any, np.dtype[np.int64]]
    camera: np.ndarray[Any, np.dtype[np.uint8]]
    kind: np.ndarray[Any, np.dtype[np.uint8]]
    track: np.ndarray[Any, np.dtype[np.int64]]
    fault: np.ndarray[Any, np.dtype[np.uint8]]
    faults: tuple[Fault, ...]
    healthy: bool

    def __len__(self) -> int:
        """Messages."""
        return len(self.time)

    def columns(self) -> dict[str, np.ndarray[Any, Any]]:
        """Give the rows as named arrays, ready for `TumblingWindows.push`.

        Returns
        -------
        dict of str to ndarray
            `time` (datetime64[ns]), `camera`, `class` (empty in heartbeats), `track` and, unless healthy, `fault`
            (empty: none).
        """
        columns: dict[str, np.ndarray[Any, Any]] = {
            "time": self.time.view("M8[ns]"),
            "camera": np.array(CAMERAS)[self.camera],
            "class": np.array(CLASSES)[self.kind],
            "track": self.track,
        }
        if not self.healthy:
            columns["fault"] = np.array(["", *(fault.kind for fault in self.faults)])[self.fault]
        return columns

    def messages(self, form: str = "deepstream", rows: int = 50_000) -> Iterator[bytes]:
        """Write the same rows as JSON lines, in blocks of whole lines.

        Parameters
        ----------
        form : {"deepstream", "panorama"}
            `deepstream` is the full form of NVIDIA's message converter, one object a message. It is the default
            because it says more (class, box, speed) and is what the recorded messages of real garages look like;
            cars are of class `vehicle` there. `panorama` is the flat form of home-made trackers, a field per class
            (`car`, `person`).
        rows : int
            Messages a block.

        Yields
        ------
        bytes
            JSON lines; unless healthy, each with a last field `fault` (a text, or null).
        """
        if not isinstance(form, str) or form not in FORMS:
            raise ConfigError(f"`form` must be one of {', '.join(FORMS)}, got {form!r}")
        faults = None if self.healthy else ["null", *(f'"{fault.kind}"' for fault in self.faults)]
        for at in range(0, len(self), rows):
            part = slice(at, at + rows)
            yield spell(
                form,
                self.time[part],
                np.array(CAMERAS)[self.camera[part]],
                np.array(CLASSES)[self.kind[part]],
                self.track[part],
                None if faults is None else np.array(faults)[self.fault[part]],
            )


def traffic(
    days: float = 21,
    seed: int = 7,
    healthy: bool = False,
    start: datetime = datetime(2026, 1, 5, tzinfo=UTC),
    rate: float = 1.0,
) -> Traffic:
    """Simulate a junction's tracker messages from two cameras.

    Cars and persons arrive at random (Poisson) at a rate with a daily season, rush hours on workdays, calmer
    weekends and a slow noise that no calendar explains. Each lives for several messages with the same track
    number. Each camera adds a heartbeat a minute. Messages come up to two seconds late and so out of order.

    Unless healthy, three things go wrong after the middle, when a detector has seen enough: a **blocked
    road** (no cars for three hours while persons go on), a **stopped camera** (nothing at all for three hours), a
    **crowd** (eight times the persons for three hours).

    Parameters
    ----------
    days : float
        Length, positive. Detectors want a week of calm first, so ask for two or more to see verdicts.
    seed : int
        The same seed gives the same messages.
    healthy : bool
        Leave the faults, and their labels, out.
    start : datetime
        Time of the first message, aware; a Monday keeps the faults on workdays.
    rate : float
        Scales how many pass, positive.

    Returns
    -------
    Traffic

    Raises
    ------
    ConfigError
        An argument can't be meant: `days` isn't positive or beyond ten years, `start` has no time zone, ...

    Examples
    --------
    >>> from windrow import simulate
    >>> junction = simulate.traffic(days=14)
    >>> [fault.kind for fault in junction.faults]
    ['blocked road', 'stopped camera', 'crowd']
    >>> sorted(junction.columns())
    ['camera', 'class', 'fault', 'time', 'track']
    """
    asked(days, seed, healthy, start)
    positive("rate", rate)
    random = np.random.default_rng(seed)
    faults = () if healthy else _faults(days, start)
    minutes = max(int(days * 1440), 1)
    first_minute = int(start.timestamp()) // 60
    seen: list[tuple[np.ndarray[Any, Any], ...]] = []
    for camera, name in enumerate(CAMERAS):
        pulse = np.arange(minutes) * 60 + 30.0
        seen.append(
            (pulse, np.full(minutes, camera), np.full(minutes, HEARTBEAT), np.zeros(minutes, np.int64))
        )
        for kind in (CAR, PERSON):
            expected = rate * BUSYNESS[camera] * _season(kind, first_minute + np.arange(minutes))
            expected *= _unexplained(random, minutes)
            for fault in faults:
                if fault.series == {"camera": name} and fault.kind in ("crowd", "blocked road"):
                    a, b = (int(time.timestamp()) // 60 - first_minute for time in (fault.start, fault.end))
                    if fault.kind == "crowd" and kind == PERSON:
                        expected[a:b] *= 8
                    if fault.kind == "blocked road" and kind == CAR:
                        expected[a:b] = 0
            arrivals = np.repeat(np.arange(minutes), random.poisson(expected))
            first = (arrivals + random.random(len(arrivals))) * 60
            first.sort()
            frames = random.integers(2, 5, len(first))
            track = np.repeat(np.arange(1, len(first) + 1), frames)
            number = np.arange(len(track)) - np.repeat(np.cumsum(frames) - frames, frames)
            time = np.repeat(first, frames) + number * FRAME[kind]
            seen.append((time, np.full(len(time), camera), np.full(len(time), kind), track))
    time, camera_of, kind_of, track = (np.concatenate(parts) for parts in zip(*seen, strict=True))
    time_ns = first_minute * 60 * SECOND + (time * 1000).astype(np.int64) * 1_000_000
    order = np.argsort(time + DELIVERY * random.random(len(time)) ** 2, kind="stable")
    under_way = np.zeros(len(time), np.uint8)
    # No track outlives the world: a window after its end would hold one camera's and be silent for the other.
    keep = time < minutes * 60
    for index, fault in enumerate(faults):
        a, b = (int(moment.timestamp()) * SECOND for moment in (fault.start, fault.end))
        within = (time_ns >= a) & (time_ns < b)
        under_way[within] = index + 1
        if fault.kind == "stopped camera":
            keep &= ~(within & (camera_of == CAMERAS.index(fault.series["camera"])))
        if fault.kind == "blocked road":
            # Nobody drives on either: a track that began before the blockage ends with it.
            keep &= ~(within & (camera_of == CAMERAS.index(fault.series["camera"])) & (kind_of == CAR))
    order = order[keep[order]]
    return Traffic(
        time=time_ns[order],
        camera=camera_of[order].astype(np.uint8),
        kind=kind_of[order].astype(np.uint8),
        track=track[order],
        fault=under_way[order],
        faults=faults,
        healthy=healthy,
    )


def _faults(days: float, start: datetime) -> tuple[Fault, ...]:
    """When and where things go wrong: by daylight on whole days, squeezed in where there are only a few."""

    def at(share: float, hour: float) -> datetime:
        if days >= 5:
            return start + timedelta(days=int(share * days), hours=hour)
        return start + timedelta(minutes=int(share * days * 1440))

    long = min(days / 5, 1) * timedelta(hours=3)
    blocked, stopped, crowd = at(0.55, 7), at(0.75, 10), at(0.88, 15)
    return (
        Fault("blocked road", blocked, blocked + long, {"camera": "north"}, ("cars",)),
        Fault("stopped camera", stopped, stopped + long, {"camera": "south"}, ("cars", "persons")),
        Fault("crowd", crowd, crowd + long, {"camera": "north"}, ("persons",)),
    )


def _season(kind: int, minute: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Expect so many passers-by a minute, by the UTC hour and the day of the week."""
    hour = minute / 60 % 24
    # The epoch began on a Thursday.
    weekend = (minute // 1440 + 3) % 7 >= 5

    def peak(at: float, width: float) -> np.ndarray[Any, Any]:
        away = np.minimum(np.abs(hour - at), 24 - np.abs(hour - at))
        height: np.ndarray[Any, Any] = np.exp(-0.5 * (away / width) ** 2)
        return height

    if kind == CAR:
        workday = 1.2 + 9 * peak(13, 4.5) + 8 * peak(8, 1.0) + 9 * peak(17.3, 1.3)
        free = 1.5 + 8 * peak(14.5, 4.0)
    else:
        workday = 0.4 + 3.5 * peak(14, 4) + 3 * peak(8.2, 0.9) + 4 * peak(12.6, 0.9) + 3 * peak(17.8, 1.2)
        free = 0.6 + 5 * peak(15.5, 3.5)
    return np.where(weekend, free, workday) / 5


def _unexplained(random: np.random.Generator, minutes: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Draw a factor around one that drifts over hours: weather, events, whatever no calendar knows."""
    hours = minutes // 60 + 3
    drift = np.convolve(random.normal(0, 1, hours + 5), np.ones(6) / np.sqrt(6), "valid")
    slow: np.ndarray[Any, np.dtype[np.float64]] = np.interp(np.arange(minutes) / 60, np.arange(hours), drift)
    factor: np.ndarray[Any, np.dtype[np.float64]] = np.exp(0.1 * slow)
    return factor
