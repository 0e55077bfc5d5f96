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
    '"object":{"id":"<track_>","speed":<speed>,<object__________________________________>,'
    '"bbox":{"topleftx":<x>,"toplefty":<y>,"bottomrightx":<u>,"bottomrighty":<v>}},'
    '"event":{"id":"<row____>","type":"moving"}<fault________________>}\n'
)
_PANORAMA = '{"camera":<camera>,<object____________________>,"event_time":"<time__________________>"<fault________________>}\n'
FORMS = {"deepstream": _DEEPSTREAM, "panorama": _PANORAMA}

_OBJECTS = {
    "deepstream": {
        "car": '"vehicle":{"type":"car","confidence":0.9}',
        "person": '"person":{"type":"person"}',
    },
    "panorama": {"car": '"car":@@@@@@@,"person":null', "person": '"car":null,"person":@@@@@@@'},
}


def spell(
    form: str,
    time: np.ndarray[Any, np.dtype[np.int64]],
    camera: np.ndarray[Any, Any],
    kind: np.ndarray[Any, Any],
    track: np.ndarray[Any, np.dtype[np.int64]],
    fault: np.ndarray[Any, Any] | None,
) -> bytes:
    """Write one block of messages; `fault` holds JSON values, or is nothing when the world is healthy."""
    template = FORMS[form]
    rows = len(time)
    lines = np.empty((rows, len(template)), np.uint8)
    lines[:] = np.frombuffer(template.encode(), np.uint8)
    # The box wanders with the track's number: plausible, and the same every time.
    digits = {
        "row": time // 1_000_000,
        "track": track,
        "x": 100 + track * 37 % 700,
        "y": 100 + track * 61 % 700,
        "u": 180 + track * 37 % 700,
        "v": 160 + track * 61 % 700,
    }
    for found in re.finditer(r"<([a-z]+)_*>", template):
        name, start, end = found[1], found.start(), found.end()
        width = end - start
        if name in digits:
            lines[:, start:end] = _digits(digits[name], width)
        elif name == "time":
            stamps = np.datetime_as_string(time.view("M8[ns]").astype("M8[ms]"))
            lines[:, start:end] = _text(np.char.add(stamps, "Z"), width)
        elif name == "speed":
            lines[:, start:end] = _digits(1_000_000 + track * 791_900 % 8_000_000, width)
            lines[:, start + 2] = ord(".")
        elif name == "camera":
            lines[:, start:end] = _text(_quoted(camera), width)
        elif name == "object":
            spelled = _text(_lookup(_OBJECTS[form], kind), width)
            _fill_track(spelled, track)
            lines[:, start:end] = spelled
        elif name == "fault":
            spelled = np.full(rows, "") if fault is None else np.char.add(',"fault":', fault)
            lines[:, start:end] = _text(spelled, width)
    return lines.tobytes()


def _quoted(text: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.char.add(np.char.add('"', text), '"')


def _lookup(words: dict[str, str], keys: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    names = np.array(sorted(words))
    return np.array([words[name] for name in names])[np.searchsorted(names, keys)]


def _text(values: np.ndarray[Any, Any], width: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Text (ASCII) as a matrix of bytes, padded with spaces."""
    codes = values.astype(f"S{width}").view(np.uint8).reshape(len(values), width)
    return np.where(codes == 0, np.uint8(ord(" ")), codes)


def _digits(values: np.ndarray[Any, np.dtype[np.int64]], width: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Whole numbers as a matrix of decimal digits, zero-padded, cut to `width`."""
    powers = 10 ** np.arange(width - 1, -1, -1, dtype=np.int64)
    return (values[:, None] // powers % 10 + ord("0")).astype(np.uint8)


def _fill_track(spelled: np.ndarray[Any, np.dtype[np.uint8]], track: np.ndarray[Any, Any]) -> None:
    """Replace a row's run of `@` by its track as a plain number: offset, so that it has no leading zero."""
    rows, columns = np.nonzero(spelled == ord("@"))
    if len(rows):
        width = len(rows) // len(spelled)
        spelled[rows, columns] = _digits(10 ** (width - 1) + track, width).ravel()
