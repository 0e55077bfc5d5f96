"""How simulated trackers spell a message: JSON lines of one width, filled in by columns.

All lines of a form are equally long (the rest is spaces, which JSON ignores between its tokens), so a block of
messages is a matrix of bytes and every field a slice of columns: several million messages a second without a loop.
"""

import re
from typing import Any

import numpy as np

__all__ = ["FORMS", "spell"]

_DEEPSTREAM = (
    '{"messageid":"<row____>","mdsversion":"1.0","@timestamp":"<time__________________>",'
    '"place":{"id":"1","name":"junction","type":"intersection"},"sensor":{"id":<camera>,"type":"Camera"},'
    '"object":<object__________________________________________________________________________________________________________________________>,'
    '"event":{"id":"<row____>","type":"moving"}<fault___________________>}\n'
)
_PANORAMA = (
    '{"camera":<camera>,<object____________________>,'
    '"event_time":"<time__________________>"<fault___________________>}\n'
)
FORMS = {"deepstream": _DEEPSTREAM, "panorama": _PANORAMA}

_SEEN = '{"id":"<id__>","speed":<sp>,%s,"bbox":{"topleftx":<x>,"toplefty":<y>,"bottomrightx":<u>,"bottomrighty":<v>}}'
#: What each class puts in the place of `<object>`, itself with fields to fill in.
_OBJECTS = {
    "deepstream": {
        "vehicle": _SEEN % '"vehicle":{"type":"car"}',
        "person": _SEEN % '"person":{}',
        "": "null",
    },
    "panorama": {
        "vehicle": '"car":<id__>,"person":null',
        "person": '"car":null,"person":<id__>',
        "": '"car":null,"person":null',
    },
}
_FIELD = re.compile(r"<([a-z]+)_*>")


def spell(
    form: str,
    time: np.ndarray[Any, np.dtype[np.int64]],
    camera: np.ndarray[Any, Any],
    kind: np.ndarray[Any, Any],
    track: np.ndarray[Any, np.dtype[np.int64]],
    fault: np.ndarray[Any, Any] | None,
) -> bytes:
    """Write one block of messages; `fault` holds JSON values, or is nothing when the world is healthy."""
    lines = _filled(
        FORMS[form],
        len(time),
        {
            "row": _digits(time // 1_000_000, 9),
            "time": _text(np.char.add(np.datetime_as_string(time.view("M8[ns]").astype("M8[ms]")), "Z"), 24),
            "camera": _text(np.char.add(np.char.add('"', camera), '"'), 8),
            "fault": _text(np.full(len(time), "") if fault is None else np.char.add(',"fault":', fault), 26),
        },
    )
    at = _place(FORMS[form], "object")
    for name, template in _OBJECTS[form].items():
        rows = np.flatnonzero(kind == name)
        number = track[rows]
        # The box and the speed go by the track's number: plausible, and the same every time.
        x, y = 100 + number * 37 % 700, 100 + number * 61 % 700
        speed = _digits(1_000 + number * 791 % 5_000, 4)
        speed[:, 2] = ord(".")
        spelled = _filled(
            template,
            len(rows),
            {
                "id": _digits(100_000 + number, 6),
                "sp": speed,
                "x": _digits(x, 3),
                "y": _digits(y, 3),
                "u": _digits(x + 80, 3),
                "v": _digits(y + 60, 3),
            },
        )
        lines[rows, at.start : at.start + len(template)] = spelled
        lines[rows, at.start + len(template) : at.stop] = ord(" ")
    return lines.tobytes()


def _place(template: str, field: str) -> slice:
    found = next(found for found in _FIELD.finditer(template) if found[1] == field)
    return slice(found.start(), found.end())


def _filled(
    template: str, rows: int, fields: dict[str, np.ndarray[Any, Any]]
) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Rows of one template, its fields filled in."""
    lines = np.empty((rows, len(template)), np.uint8)
    lines[:] = np.frombuffer(template.encode(), np.uint8)
    for found in _FIELD.finditer(template):
        if found[1] in fields:
            lines[:, found.start() : found.end()] = fields[found[1]]
    return lines


def _text(values: np.ndarray[Any, Any], width: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Text (ASCII) as a matrix of bytes, padded with spaces."""
    codes = values.astype(f"S{width}").view(np.uint8).reshape(len(values), width)
    return np.where(codes == 0, np.uint8(ord(" ")), codes)


def _digits(values: np.ndarray[Any, np.dtype[np.int64]], width: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Whole numbers as a matrix of decimal digits, zero-padded, cut to `width`."""
    powers = 10 ** np.arange(width - 1, -1, -1, dtype=np.int64)
    return (values[:, None] // powers % 10 + ord("0")).astype(np.uint8)
