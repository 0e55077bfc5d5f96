"""What was put into simulated input on purpose, and when."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

__all__ = ["Fault"]


@dataclass(frozen=True)
class Fault:
    """One injected fault: the answer that a detector should come to.

    Attributes
    ----------
    kind : str
        What happens, as in the `fault` field of the simulated input.
    start, end : datetime
        The stretch `[start, end)`, aware, in UTC.
    series : mapping of str to str
        Where: the key columns of the series that it touches, such as `{"camera": "north"}`.
    measures : tuple of str
        Which of its measures move.
    """

    kind: str
    start: datetime
    end: datetime
    series: Mapping[str, str] = field(default_factory=dict)
    measures: tuple[str, ...] = ()

    def overlaps(self, start: datetime, end: datetime | None, *, slack: timedelta = timedelta(0)) -> bool:
        """Whether `[start, end]` touches the fault, or begins within `slack` after it; no `end` is still open."""
        return start <= self.end + slack and (end is None or end >= self.start)
