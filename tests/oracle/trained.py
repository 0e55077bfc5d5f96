"""A trained model evaluated from its file's words, each row from all rows before it."""

import json
from dataclasses import dataclass, field
from math import exp, fsum, isfinite, nan

UNITS = {
    "d": 86_400 * 10**9,
    "h": 3_600 * 10**9,
    "m": 60 * 10**9,
    "s": 10**9,
    "ms": 10**6,
    "us": 10**3,
    "ns": 1,
}
LARGEST = 1e100


def nanoseconds(text: str) -> int:
    digits = text.rstrip("abcdefghijklmnopqrstuvwxyz")
    return int(digits) * UNITS[text[len(digits) :]]


@dataclass
class Machine:
    """Rows that moved time on: time, inputs as they came (None where missing), inputs as they were held."""

    rows: list[tuple[int, dict, dict]] = field(default_factory=list)


@dataclass
class Trained:
    text: str

    def __post_init__(self) -> None:
        self.model = json.loads(self.text)["model"]
        self.step, self.hold = nanoseconds(self.model["step"]), nanoseconds(self.model["hold"])
        self.machines: dict = {}
        # A model without means remembers nothing.
        if not any("mean" in one or "rate" in one for one in self.model["features"]):
            self.hold = -(2**63)

    def known(self, one: dict, value):
        """Return the value as the model knows it, or None where it counts as missing."""
        if value is None:
            return None
        if one.get("values") is not None:
            return value
        return value if isfinite(value) and abs(value) <= LARGEST else None

    def features(self, key, time: int, row: dict) -> list[float] | None:
        """Take a row in; its features, or None while there is too little history."""
        machine = self.machines.setdefault(key, Machine())
        came = {one["name"]: self.known(one, row[one["name"]]) for one in self.model["inputs"]}
        held, used = {}, {}
        for one in self.model["inputs"]:
            name = one["name"]
            value = came[name]
            if value is None:
                for then, before, _ in reversed(machine.rows):
                    if before[name] is not None:
                        value = before[name] if time - then <= self.hold else None
                        break
            held[name] = value
            used[name] = one.get("fill") if value is None else value
        if not machine.rows or time > machine.rows[-1][0]:
            machine.rows.append((time, came, held))
        out = []
        for feature in self.model["features"]:
            span = feature.get("mean") or feature.get("rate")
            if "is" in feature:
                out.append(float(used[feature["of"][0]] == feature["is"]))
                continue
            value = product(used, feature["of"])
            if span is not None:
                mean = self.mean(machine, feature["of"], nanoseconds(span))
                if mean is None:
                    return None
                value = mean if "mean" in feature else (value - mean) / (nanoseconds(span) / 1e9)
            out.append(value)
        return out

    def mean(self, machine: Machine, of: list[str], span: int) -> float | None:
        """Return the exponentially weighted mean, or None where less than 0.9 of the past is known."""
        now = machine.rows[-1][0]
        weights, parts = [], []
        for at, (time, _, held) in enumerate(machine.rows):
            elapsed = time - machine.rows[at - 1][0] if at else None
            if elapsed is None or elapsed > self.hold:
                elapsed = self.step
            if any(held[name] is None for name in of):
                continue
            weight = (1 - exp(-elapsed / span)) * exp(-(now - time) / span)
            weights.append(weight)
            parts.append(weight * product(held, of))
        return fsum(parts) / fsum(weights) if fsum(weights) >= 0.9 else None

    def predict(self, key, time: int, row: dict) -> float:
        features = self.features(key, time, row)
        return nan if features is None else self.value(features)

    def value(self, features: list[float]) -> float:
        predictor = self.model["predictor"]
        if predictor["kind"] == "ridge":
            columns = zip(
                features, predictor["coefficients"], predictor["mean"], predictor["scale"], strict=True
            )
            return predictor["intercept"] + fsum(c * (x - m) / s for x, c, m, s in columns)
        return predictor["baseline"] + fsum(walk(tree, features) for tree in predictor["trees"])


def product(values: dict, of: list[str]) -> float:
    out = 1.0
    for name in of:
        out *= values[name]
    return out


def walk(tree: dict, features: list[float]) -> float:
    node = 0
    while tree["feature"][node] is not None:
        goes_left = features[tree["feature"][node]] <= tree["threshold"][node]
        node = tree["left"][node] if goes_left else tree["right"][node]
    return tree["value"][node]
