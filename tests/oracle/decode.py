"""Tracker messages to rows, the slow and obvious way: `json.loads`, then dictionaries.

The twin of `rust/core/src/decode`. A line gives rows, a heartbeat or the class of a reject; which of the JSON
reasons a broken line has is not its business.
"""

import json
import math
import re
from datetime import UTC, datetime, timedelta

DEEPEST = 128
CLASSES = ["vehicle", "person", "face", "bag", "bicycle", "roadsign", "product"]
CORNERS = ["left", "top", "right", "bottom"]
UNTRACKED = {"", "-1", "18446744073709551615"}
FLOAT = re.compile(r"[+-]?(inf|infinity|nan|((\d+\.?\d*|\.\d+)([eE][+-]?\d+)?))", re.IGNORECASE | re.ASCII)
STAMP = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z", re.ASCII)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class RejectError(Exception):
    """Why a line can't be read."""


class Digits(str):
    """A number of JSON in its own digits."""


def load(line):
    """One line as an object whose numbers keep their digits."""
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        raise RejectError("utf8") from None
    if depth(text) > DEEPEST:
        raise RejectError("json")
    try:
        message = json.loads(text, parse_int=Digits, parse_float=Digits, parse_constant=Digits)
    except ValueError:
        raise RejectError("json") from None
    if not isinstance(message, dict):
        raise RejectError("not_an_object")
    return message


def depth(text):
    """How deep brackets outside strings nest."""
    deepest = level = 0
    for brace in re.sub(r'"(?:\\.|[^"\\])*"', "", text):
        level += (brace in "{[") - (brace in "}]")
        deepest = max(deepest, level)
    return deepest


def field(message, path):
    """A field by its dotted path; `...` where there is none."""
    for name in path.split("."):
        if not isinstance(message, dict) or name not in message:
            return ...
        message = message[name]
    return message


def nothing(value):
    return value is None or value is ...


def name(value):
    """Text or digits as text; nothing else has a name."""
    if not isinstance(value, str):
        return None
    # Half a surrogate pair is no character.
    return str(value).encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def number(value):
    """A float, or nothing where it isn't one."""
    if isinstance(value, str) and FLOAT.fullmatch(value.strip()):
        return float(value)
    return None


def nanoseconds(value, scale):
    """The time of a message; only the form of the tests, not all of ISO 8601."""
    if nothing(value):
        raise RejectError("time_null")
    if isinstance(value, Digits):
        if re.fullmatch(r"-?\d+", value):
            time = int(value) * scale
        else:
            seconds = float(value)
            if not math.isfinite(seconds):
                raise RejectError("time_unreadable")
            whole = math.floor(seconds)
            time = whole * 10**9 + math.floor((seconds - whole) * 1e9 + 0.5)
    elif isinstance(value, str):
        match = STAMP.fullmatch(value)
        if not match:
            raise RejectError("time_unreadable")
        try:
            since = datetime.fromisoformat(match[1] + "+00:00") - EPOCH
        except ValueError:
            raise RejectError("time_unreadable") from None
        time = since // timedelta(seconds=1) * 10**9 + int((match[2] or "0").ljust(9, "0"))
    else:
        raise RejectError("time_unreadable")
    if not -(2**63) <= time < 2**63:
        raise RejectError("time_out_of_range")
    return time


def measure(value):
    found = number(value)
    return None if found is None or math.isnan(found) else found


def track(value):
    return None if value in UNTRACKED else value


def sighting(time, camera, **values):
    row = {
        "time": time,
        "camera": camera or None,
        "class": None,
        "track": None,
        "event": "seen",
        "score": None,
    }
    row |= dict.fromkeys(["zones", "speed", *CORNERS, "renamed_from"])
    return row | values


def deepstream(message):
    """Rows, heartbeats and reasons of one message."""
    time = nanoseconds(field(message, "@timestamp"), 10**6)
    objects = field(message, "objects")
    minimal = objects is not ...
    camera = field(message, "sensor.id")
    if minimal and field(message, "sensorId") is not ...:
        camera = field(message, "sensorId")
    camera = name(camera) or None
    if not minimal:
        thing = field(message, "object")
        if thing is ...:
            raise RejectError("objects_missing")
        if thing is None:
            return [], [(time, camera)], []
        if not isinstance(thing, dict):
            raise RejectError("object_unreadable")
        row = sighting(time, camera, track=track(name(thing.get("id"))), speed=measure(thing.get("speed")))
        for kind in CLASSES:
            if thing.get(kind) is not None:
                row |= {"class": kind, "score": measure(field(thing, f"{kind}.confidence"))}
                break
        for corner, path in zip(
            CORNERS,
            ["topleftx", "toplefty", "bottomrightx", "bottomrighty"],
            strict=True,
        ):
            row[corner] = measure(field(thing, f"bbox.{path}"))
        return [row], [], []
    if objects is None:
        return [], [(time, camera)], []
    if not isinstance(objects, list):
        raise RejectError("object_unreadable")
    rows, reasons = [], []
    for entry in objects:
        parts = [part.strip() for part in (name(entry) or "").split("|")]
        if isinstance(entry, Digits) or len(parts) < 6:
            reasons.append("object_unreadable")
            continue
        row = sighting(time, camera, track=track(parts[0]))
        row["class"] = parts[5] or None
        for corner, text in zip(CORNERS, parts[1:5], strict=True):
            row[corner] = measure(text)
        score = measure(parts[-1]) if len(parts) > 7 and parts[6] == "#" else None
        row["score"] = score if score is not None and 0 <= score <= 1 else None
        rows.append(row)
    return rows, [] if objects else [(time, camera)], reasons


def panorama(message, classes=("person", "car"), camera="camera", times=("event_time", "timestamp", "time")):
    """Rows, heartbeats and reasons of one message."""
    found = [field(message, path) for path in times]
    time = nanoseconds(next((value for value in found if not nothing(value)), None), 10**6)
    camera = name(field(message, camera)) or None
    rows, unreadable = [], False
    for kind in classes:
        value = field(message, kind)
        if nothing(value) or (value in ("", "NaN") and (value == "" or isinstance(value, Digits))):
            continue
        if name(value) is None:
            unreadable = True
            continue
        rows.append(sighting(time, camera, **{"class": kind, "track": track(name(value))}))
    if unreadable:
        return rows, [], ["object_unreadable"]
    return rows, [] if rows else [(time, camera)], []


def axis_of(camera=None):
    """The decoder of AXIS Scene Metadata."""

    def likeliest(classes):
        best = None, None
        for one in classes if isinstance(classes, list) else []:
            if not isinstance(one, dict):
                continue
            kind, score = name(one.get("type")) or None, measure(one.get("score"))
            greater = score is not None and (best[1] is None or score > best[1])
            if kind and (best[0] is None or greater):
                best = kind, score
        return best

    def entries(value):
        if nothing(value):
            return []
        if not isinstance(value, list):
            raise RejectError("object_unreadable")
        return value

    def first(thing, *names):
        return next((thing[one] for one in names if thing.get(one) is not None), None)

    def happened(thing, time, where):
        """The row of a track event, if it is of a known kind."""
        kind = name(thing.get("type"))
        if kind is None:
            raise RejectError("object_unreadable")
        if kind in ("Rename", "RenameOperation"):
            ids = [track(name(thing.get("from_id"))), track(name(thing.get("to_id")))]
            row = {"track": ids[1], "event": "rename", "renamed_from": ids[0]}
        elif kind in ("TrackEnded", "DeleteOperation"):
            ids = [track(name(first(thing, "object_track_id", "id")))]
            row = {"track": ids[0], "event": "end"}
        else:
            return []
        if None in ids:
            raise RejectError("object_unreadable")
        return [sighting(time, where, **row)]

    def detected(thing, time, where):
        ident = name(first(thing, "object_track_id", "track_id"))
        row = sighting(time, where, track=track(ident))
        kind = name(field(thing, "class.type")) or None
        row |= dict(zip(["class", "score"], [kind, measure(field(thing, "class.score"))], strict=True))
        if kind is None:
            row |= dict(zip(["class", "score"], likeliest(thing.get("classes")), strict=True))
        return [row | {corner: measure(field(thing, f"bounding_box.{corner}")) for corner in CORNERS}]

    def read(message):
        where = camera or name(field(message, "channel_id"))
        if "frame" in message:
            frame, names = message["frame"], ("observations", "operations")
            if not isinstance(frame, dict):
                raise RejectError("object_unreadable")
        elif "start_time" in message or "end_time" in message:
            time = nanoseconds(field(message, "end_time"), 10**6)
            kind, score = likeliest(message.get("classes"))
            ident = track(name(message.get("id")))
            return [sighting(time, where, track=ident, event="end", score=score, **{"class": kind})], [], []
        else:
            frame, names = message, ("detections", "track_events")
            if not {"channel_id", *names} & set(message):
                raise RejectError("objects_missing")
        time = nanoseconds(field(frame, "timestamp"), 10**6)
        detections, events = (entries(frame.get(one)) for one in names)
        rows, reasons = [], []
        for things, reader in [(events, happened), (detections, detected)]:
            for thing in things:
                try:
                    if not isinstance(thing, dict):
                        raise RejectError("object_unreadable")
                    rows += reader(thing, time, where)
                except RejectError as reject:
                    reasons.append(str(reject))
        return rows, [] if detections else [(time, where or None)], reasons

    return read


axis = axis_of()


def frigate(message):
    """Rows, heartbeats and reasons of one message."""
    after = field(message, "after")
    if nothing(after):
        raise RejectError("objects_missing")
    if not isinstance(after, dict):
        raise RejectError("object_unreadable")
    time = nanoseconds(after.get("frame_time"), 10**9)
    camera = name(after.get("camera"))
    if after.get("false_positive") is True:
        return [], [(time, camera or None)], []
    kind = name(message.get("type"))
    row = sighting(
        time,
        camera,
        track=track(name(after.get("id"))),
        event=kind if kind in ("new", "end") else "seen",
        score=measure(after.get("score")),
        speed=measure(after.get("current_estimated_speed")),
    )
    row["class"] = name(after.get("label")) or None
    zones = after.get("current_zones")
    row["zones"] = (
        ",".join(name(one) for one in zones if name(one)) or None if isinstance(zones, list) else None
    )
    if isinstance(after.get("box"), list):
        row |= {corner: measure(value) for corner, value in zip(CORNERS, after["box"], strict=False)}
    return [row], [], []


def line_of(line):
    """One line of text."""
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        raise RejectError("utf8") from None


def mot_of(frames_per_second, start, camera=None):
    """The decoder of MOTChallenge's text; `start` in nanoseconds."""

    def whole(text):
        if re.fullmatch(r"[+-]?\d+", text, re.ASCII):
            return int(text)
        found = number(text)
        return int(found) if found is not None and found.is_integer() and abs(found) <= 2**53 else None

    def read(line):
        parts = [part.strip() for part in line.split(",")]
        if len(parts) < 6:
            raise RejectError("line_unreadable")
        frame, edges = whole(parts[0]), [number(part) for part in parts[2:6]]
        ident = parts[1] if re.fullmatch(r"-?\d+", parts[1], re.ASCII) else whole(parts[1])
        score = number(parts[6]) if len(parts) > 6 and parts[6] else None
        unscored = score is None and len(parts) > 6 and parts[6]
        if frame is None or not 1 <= frame < 2**63 or None in (ident, *edges) or unscored:
            raise RejectError("line_unreadable")
        seconds = (frame - 1) / frames_per_second
        if seconds >= 9_223_372_037:
            raise RejectError("time_out_of_range")
        time = start + nanoseconds(Digits(repr(seconds)), 1)
        if not -(2**63) <= time < 2**63:
            raise RejectError("time_out_of_range")
        left, top, width, height = edges
        row = sighting(time, camera, track=track(str(ident)))
        row["score"] = None if score is None or score == -1 or math.isnan(score) else score
        if width >= 0 and height >= 0:
            box = [left - 1, top - 1, left - 1 + width, top - 1 + height]
            row |= {corner: measure(Digits(repr(value))) for corner, value in zip(CORNERS, box, strict=True)}
        return [row], [], []

    return read


def typed(value, kind):
    """A field as a declared type, and whether it could be read; the other way is null and counted."""
    if nothing(value) or (isinstance(value, Digits) and value == "NaN"):
        return None, True
    if kind == "float64":
        found = float(value) if isinstance(value, bool) else number(value)
        return (None, True) if found is not None and math.isnan(found) else (found, found is not None)
    if kind == "int64":
        found = None
        whole = isinstance(value, str) and re.fullmatch(r"[+-]?\d+", value.strip(), re.ASCII)
        if isinstance(value, bool) or whole:
            found = int(value)
        elif number(value) is not None and re.search("[.eE]", value) and float(value).is_integer():
            found = int(float(value))
        found = found if found is not None and -(2**63) <= found < 2**63 else None
        return found, found is not None
    if kind == "bool":
        truths = {"true": True, "1": True, "false": False, "0": False}
        found = value if isinstance(value, bool) else truths.get((name(value) or "").strip())
        return found, found is not None
    found = str(value).lower() if isinstance(value, bool) else name(value)
    return found, found is not None


def rows_of(columns, time="time"):
    """The decoder of rows with declared columns; counts what is unreadable in the mapping beside it."""
    unreadable = {}

    def read(message):
        row = {"time": nanoseconds(field(message, time), 1)}
        for path, kind in columns.items():
            row[path], readable = typed(field(message, path), kind)
            if not readable:
                unreadable[path] = unreadable.get(path, 0) + 1
        return [row], [], []

    return read, unreadable


def decode(data, read, load=load):
    """All lines: messages, rows, heartbeats, and rejects as (line, reason); `json` stands for its reasons."""
    messages, rows, heartbeats, rejects = 0, [], [], []
    for at, line in enumerate(data.split(b"\n")):
        if not line.strip(b" \t\r"):
            continue
        messages += 1
        try:
            more, beats, reasons = read(load(line))
        except RejectError as reject:
            rejects.append((at, str(reject)))
            continue
        rows += more
        heartbeats += beats
        rejects += [(at, reason) for reason in reasons]
    return messages, rows, heartbeats, rejects
