"""What time it is, as far as a device can tell.

A device without a battery for its clock begins in 1970 and learns the time later, and a clock may leap. It is believed
as long as it goes as evenly as time does; where it leaps, if that brings it nearer to the newest messages. Else time
goes on without it, from what was believed last or from the messages, as much as has gone by.
"""

from __future__ import annotations

import datetime as dt
import time

__all__ = ["DeviceClock"]

#: No device that runs this is earlier: 2025-01-01.
EARLIEST = 1_735_689_600.0
#: Seconds that a clock which is set right now and then may move at once.
STEP = 60.0


class DeviceClock:
    """The clock of this device."""

    def __init__(self) -> None:
        #: The time that was believed last, and the steady clock then.
        self._last: tuple[float, float] | None = None

    def now(self, newest: float | None) -> dt.datetime | None:
        """Tell the time; nothing where there is none to believe.

        Parameters
        ----------
        newest : float or None
            The newest time of messages, in seconds, if there were any.
        """
        told, steady = time.time(), time.monotonic()
        now: float | None = told
        if self._last is not None:
            expected = self._last[0] + steady - self._last[1]
            leapt = abs(told - expected) > STEP
            back = told >= EARLIEST and (newest is None or abs(told - newest) < abs(expected - newest))
            now = expected if leapt and not back else told
        elif told < EARLIEST:
            now = newest
        if now is None:
            return None
        self._last = now, steady
        return dt.datetime.fromtimestamp(now, dt.UTC)
