"""Objects with several ids, counted the slow and obvious way: every window keeps its rows, every rename is kept.

The twin of `rust/core/src/window/renames.rs` and of what `distinct` makes of it. Two ids are one object when renames
lead from one to the other. Whatever is asked is answered from the whole list of renames that were read until then; a
window is asked when the watermark passes its end.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

Id = tuple[Any, str]  # camera and track; the camera is None where ids are compared alone


class Objects:
    """Tumbling windows of one lane, no lateness: `frames` in, a count for each window and camera out."""

    def __init__(
        self,
        every: int,
        out_of_orderness: int,
        *,
        by_camera: bool = True,
        where: str | None = None,
        min_hits: int = 1,
        first: bool = False,
    ) -> None:
        self.every, self.out_of_orderness = every, out_of_orderness
        self.by_camera, self.where, self.min_hits, self.first = by_camera, where, min_hits, first
        self.renames: list[tuple[Id, Id]] = []
        self.home: dict[Id, int] = {}  # the window that counts an id
        self.rows: dict[int, list[tuple[Any, Id | None]]] = {}  # window -> camera, what counts
        self.watermark: int | None = None
        self.out: dict[tuple[int, Any], int] = {}
        self.overall: dict[int, int] = {}

    def frame(self, time: int, camera: Any, renames: Any, detections: Any) -> None:
        """Renames as (from, to), detections as (track, class)."""
        scope = camera if self.by_camera else None
        self.renames += [((scope, old), (scope, new)) for old, new in renames]
        for track, kind in detections:
            self.seen(time, camera, (scope, track), kind)
        self.observe(time)

    def same(self, wanted: Id) -> set[Id]:
        """All ids of the object."""
        found = {wanted}
        while True:
            more = {one for pair in self.renames if found & set(pair) for one in pair} - found
            if not more:
                return found
            found |= more

    def seen(self, time: int, camera: Any, track: Id, kind: str) -> None:
        window = time // self.every * self.every
        if self.watermark is not None and window + self.every <= self.watermark:
            return
        counts = self.where in (None, kind)
        if counts and self.first:
            homes = [self.home[one] for one in self.same(track) if one in self.home]
            if not homes:
                self.home[track] = window
            counts = not homes or min(homes) == window
        self.rows.setdefault(window, []).append((camera, track if counts else None))
        self.observe(time)

    def observe(self, time: int) -> None:
        reached = time - self.out_of_orderness
        if self.watermark is None or reached > self.watermark:
            self.watermark = reached
        for window in sorted(self.rows):
            if window + self.every <= self.watermark:
                self.fire(window)

    def fire(self, window: int) -> None:
        rows = self.rows.pop(window)
        everywhere: list[set[str]] = []
        hits_everywhere: Counter[str] = Counter()
        for camera in {camera for camera, _ in rows}:
            hits: Counter[frozenset[Id]] = Counter()
            for where, track in rows:
                if where != camera or track is None:
                    continue
                ids = frozenset(self.same(track))
                if self.first and min(self.home[one] for one in ids if one in self.home) < window:
                    continue
                hits[ids] += 1
                hits_everywhere[track[1]] += 1
            everywhere += [{name for _, name in ids} for ids in hits]
            self.out[window, camera] = sum(count >= self.min_hits for count in hits.values())
        # Over all cameras ids are compared alone, with what each camera knows of them.
        objects: list[set[str]] = []
        for ids in everywhere:
            apart = [other for other in objects if not other & ids]
            objects = [*apart, ids.union(*(other for other in objects if other & ids))]
        self.overall[window] = sum(
            sum(hits_everywhere[name] for name in ids) >= self.min_hits for ids in objects
        )

    def flush(self) -> None:
        for window in sorted(self.rows):
            self.fire(window)
