"""How long to wait before trying again: longer each time, and never in step with others."""

from __future__ import annotations

import random

__all__ = ["Backoff"]


class Backoff:
    """Waits that double up to a most, each shortened by chance, so that a thousand devices don't return at once."""

    def __init__(self, first: float = 0.5, most: float = 60.0) -> None:
        self.first, self.most = first, most
        self._next = first

    def next(self) -> float:
        """Seconds to wait now."""
        wait = self._next
        self._next = min(self._next * 2, self.most)
        # Not for secrets: chance only keeps devices apart.
        return wait * random.uniform(0.5, 1.0)

    def reset(self) -> None:
        """Begin anew: it went well."""
        self._next = self.first
