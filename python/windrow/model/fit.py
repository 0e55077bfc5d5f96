"""What scikit-learn fits, and how it stands in a model's file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from windrow.model.training_data import need

__all__ = ["described", "regressor"]

Floats = np.ndarray[Any, np.dtype[np.float64]]

#: What a model's file holds in place of an infinite threshold.
LARGEST = float(np.finfo(float).max)


def regressor(kind: str, seed: int, **options: Any) -> Any:
    """Make an estimator: `ridge` on standardised features, or `trees` boosted on histograms."""
    if kind == "ridge":
        pipeline = need("sklearn.pipeline", "train")
        scaler = need("sklearn.preprocessing", "train").StandardScaler()
        ridge = need("sklearn.linear_model", "train").Ridge(
            alpha=options.get("alpha", 1.0), random_state=seed
        )
        return pipeline.make_pipeline(scaler, ridge)
    ensemble = need("sklearn.ensemble", "train")
    return ensemble.HistGradientBoostingRegressor(
        max_iter=options.get("trees", 120),
        max_leaf_nodes=options.get("leaves", 15),
        learning_rate=0.1,
        min_samples_leaf=20,
        early_stopping=False,
        random_state=seed,
    )


def fitting(kind: str, seed: int, **options: Any) -> Callable[[Floats, Floats], Callable[[Floats], Floats]]:
    """Fit such an estimator as cross-validation asks for."""

    def fit(features: Floats, target: Floats) -> Callable[[Floats], Floats]:
        fitted = regressor(kind, seed, **options).fit(features, target)
        return lambda rows: np.asarray(fitted.predict(rows), float)

    return fit


def described(fitted: Any) -> dict[str, Any]:
    """Describe a fitted estimator as the model's file does."""
    return _ridge(fitted) if hasattr(fitted, "steps") else _trees(fitted)


def _ridge(pipeline: Any) -> dict[str, Any]:
    scaler, ridge = (step for _, step in pipeline.steps)
    return {
        "kind": "ridge",
        "intercept": float(ridge.intercept_),
        "coefficients": [float(value) for value in ridge.coef_],
        "mean": [float(value) for value in scaler.mean_],
        "scale": [float(value) for value in scaler.scale_],
    }


def _trees(boosted: Any) -> dict[str, Any]:
    trees = []
    for (predictor,) in boosted._predictors:
        nodes = predictor.nodes
        leaf = nodes["is_leaf"].astype(bool)
        trees.append(
            {
                "feature": [
                    None if end else int(at) for end, at in zip(leaf, nodes["feature_idx"], strict=True)
                ],
                "threshold": [
                    0.0 if end else min(float(at), LARGEST)
                    for end, at in zip(leaf, nodes["num_threshold"], strict=True)
                ],
                "left": [int(at) for at in nodes["left"]],
                "right": [int(at) for at in nodes["right"]],
                "value": [
                    float(value) if end else 0.0 for end, value in zip(leaf, nodes["value"], strict=True)
                ],
            }
        )
    return {"kind": "trees", "baseline": float(np.ravel(boosted._baseline_prediction)[0]), "trees": trees}
