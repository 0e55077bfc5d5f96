"""Which features and which kind of model: the simplest of those that predict best in blocked cross-validation.

Owns the candidates and their order, from simple to rich. A richer one is taken only where it is better by a stated
share, so that noise doesn't choose. All are tried on a sample first; a kind that is far behind there isn't tried on all
rows.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from windrow.model import features as made
from windrow.model.cross_validation import Blocks, predict
from windrow.model.features import Feature, Signal
from windrow.model.fit import fitting
from windrow.model.training_data import Training, draft, need

__all__ = ["Candidate", "Search"]

Floats = np.ndarray[Any, np.dtype[np.float64]]

#: A richer candidate has to be better by this share of the RMSE.
BETTER = 0.02
#: So many products at most, and so many tried for each.
PRODUCTS, TRIED = 4, 4
#: Penalties that ridge is tried with; the first while features are looked for.
ALPHAS = (1.0, 0.01, 30.0, 1000.0)
#: Trees and leaves that boosting is tried with; the first while features are looked for, the last is scikit-learn's.
SIZES = ((120, 15), (100, 31))
#: Rows of the sample, taken in stretches of so many.
SAMPLE, STRETCH = 6_000, 300
#: A kind whose error on the sample is so many times the best one's isn't tried on all rows.
BEHIND = 1.5


@dataclass(frozen=True)
class Candidate:
    """One kind of model on one set of features.

    Attributes
    ----------
    name : str
        For people.
    kind : {"ridge", "trees"}
        What is fitted.
    features : list of dict
        As the model's file describes them.
    options : dict
        Of what is fitted.
    predicted : ndarray of float64
        What cross-validation predicted; NaN where it didn't.
    rmse : float
        Of that.
    """

    name: str
    kind: str
    features: list[Feature]
    options: dict[str, Any]
    predicted: Floats
    rmse: float


def _error(one: Candidate) -> float:
    return one.rmse


class Search:
    """Tries candidates on the same rows and blocks."""

    def __init__(
        self, data: Training, *, hold: int, seed: int, progress: Callable[[Candidate], None] | None = None
    ) -> None:
        self.data, self.hold, self.seed = data, hold, seed
        self.progress = progress or (lambda _: None)
        lengths = np.unique(data.machine, return_counts=True)[1]
        self.spans = made.spans(data.step, int(np.median(lengths)))
        signals: list[Signal] = [(name,) for name in data.numbers()]
        self.signals = signals
        pairs = itertools.combinations_with_replacement(data.numbers()[:20], 2)
        self.pairs: list[Signal] = list(pairs)
        self.columns: dict[str, Floats] = {}
        self._compute(made.values(signals) + made.texts(data.texts()) + made.history(signals, self.spans))
        self.rows = np.isfinite(data.target)
        for values in self.columns.values():
            self.rows &= np.isfinite(values)
        self.all = self.rows
        self._look_at(self.all)

    def _look_at(self, rows: Any) -> None:
        """Try candidates on these rows from here on."""
        data = self.data
        longest = max(self.spans.values(), default=data.step)
        self.rows, self.target = rows, data.target[rows]
        self.blocks = Blocks.of(data.time[rows], data.machine[rows], longest)

    def preview(self, kinds: tuple[str, ...]) -> tuple[Candidate, tuple[str, ...]]:
        """Try all on a sample: the best there, and the kinds that are worth trying on all rows."""
        every = int(self.all.sum()) // SAMPLE
        if every > 1:
            stretch = np.cumsum(self.all) // STRETCH
            self._look_at(self.all & (stretch % every == 0))
        best, tried = self.best(kinds)
        self._look_at(self.all)
        of_kind = {kind: min(one.rmse for one in tried if one.kind == kind) for kind in kinds}
        return best, tuple(kind for kind in kinds if of_kind[kind] <= BEHIND * best.rmse)

    def best(self, kinds: tuple[str, ...] = ("ridge", "trees")) -> tuple[Candidate, list[Candidate]]:
        """Give the one to take, and all that were tried."""
        plain = made.values(self.signals) + made.texts(self.data.texts())
        past = made.history(self.signals, self.spans)
        tried: list[Candidate] = []
        products: list[Signal] = []
        if "ridge" in kinds:
            tried.append(self.ridge("ridge on inputs", plain))
            if past:
                tried.append(self.ridge("ridge with history", plain + past))
            products, found = self._products(tried[-1])
            tried += found
        rich = made.values(products) + made.history(products, self.spans)
        if "trees" in kinds:
            tried.append(self.trees("trees on inputs", plain))
            if past:
                rates = made.history([*self.signals, *products], self.spans, "rate")
                tried.append(self.trees("trees with history", plain + past + rich + rates))
        best = tried[0]
        for one in tried[1:]:
            if one.rmse < best.rmse * (1 - BETTER):
                best = one
        return self.tuned(best), tried

    def again(self, model: dict[str, Any]) -> Candidate:
        """Take a model's kind and features as they are; rows whose history they don't have yet are left out."""
        features = model["features"]
        self._compute(features)
        rows = np.isfinite(self.data.target)
        for one in features:
            rows &= np.isfinite(self.columns[made.name(one)])
        self._look_at(rows)
        name = model["report"].get("method", model["predictor"]["kind"])
        again = self.trees if model["predictor"]["kind"] == "trees" else self.ridge
        return self.tuned(again(name, features))

    def matrix(self, features: list[Feature]) -> Floats:
        """Features of the rows that are used, side by side."""
        self._compute(features)
        return np.column_stack([self.columns[made.name(one)][self.rows] for one in features])

    def ridge(self, name: str, features: list[Feature]) -> Candidate:
        """Try ridge."""
        return self._try(name, "ridge", features, self.matrix(features), alpha=ALPHAS[0])

    def tuned(self, best: Candidate) -> Candidate:
        """Try the other penalties, or larger trees; they have to be better by the stated share."""
        options: list[dict[str, Any]] = [{"alpha": alpha} for alpha in ALPHAS[1:]]
        if best.kind == "trees":
            options = [{"trees": trees, "leaves": leaves} for trees, leaves in SIZES[1:]]
        matrix = self.matrix(best.features)
        others = [self._try(best.name, best.kind, best.features, matrix, **one) for one in options]
        return min([best, *(one for one in others if one.rmse < best.rmse * (1 - BETTER))], key=_error)

    def trees(self, name: str, features: list[Feature]) -> Candidate:
        """Try boosted trees."""
        trees, leaves = SIZES[0]
        return self._try(name, "trees", features, self.matrix(features), trees=trees, leaves=leaves)

    def _try(
        self, name: str, kind: str, features: list[Feature], matrix: Floats, **options: Any
    ) -> Candidate:
        # Rows whose history reaches into a block are left out beside it; without a history none does.
        blocks = replace(self.blocks, gap=min(self.blocks.gap, made.reach(features)))
        predicted = predict(fitting(kind, self.seed, **options), matrix, self.target, blocks)
        rmse = float(np.sqrt(np.nanmean((predicted - self.target) ** 2)))
        tried = Candidate(name, kind, features, options, predicted, rmse)
        self.progress(tried)
        return tried

    def _products(self, best: Candidate) -> tuple[list[Signal], list[Candidate]]:
        """Add products one by one, those first that go along with what is left over."""
        chosen: list[Signal] = []
        steps: list[Candidate] = []
        while len(chosen) < PRODUCTS:
            left = np.nan_to_num(self.target - best.predicted)
            ranked = sorted(
                (pair for pair in self.pairs if pair not in chosen),
                key=lambda pair: -self._goes_along(pair, left),
            )
            found = [
                self.ridge(
                    "ridge with products",
                    best.features + made.values([pair]) + made.history([pair], self.spans),
                )
                for pair in ranked[:TRIED]
            ]
            if not found:
                break
            next_best = min(found, key=_error)
            if next_best.rmse >= best.rmse * (1 - BETTER):
                break
            chosen.append(ranked[found.index(next_best)])
            steps.append(next_best)
            best = next_best
        return chosen, steps

    def _goes_along(self, pair: Signal, left: Floats) -> float:
        """How much a product's value or means correlate with what is left over."""
        matrix = self.matrix(made.values([pair]) + made.history([pair], self.spans))
        centred = matrix - matrix.mean(axis=0)
        spread = np.sqrt((centred**2).sum(axis=0) * (left**2).sum())
        with np.errstate(invalid="ignore", divide="ignore"):
            correlation = np.abs(centred.T @ left) / spread
        return float(np.nan_to_num(correlation).max(initial=0.0))

    def _compute(self, features: list[Feature]) -> None:
        missing = [one for one in features if made.name(one) not in self.columns]
        if not missing:
            return
        data = self.data
        model = draft(
            data.inputs, missing, target=data.name, time=data.time_name, by=data.by, time_unit=data.time_unit,
            step=data.step, hold=self.hold,
        )  # fmt: skip
        out = need("pyarrow", "train").table(model.features(data.table))
        for at, feature in enumerate(missing):
            self.columns[made.name(feature)] = np.asarray(out.column(at).to_numpy(), float)
