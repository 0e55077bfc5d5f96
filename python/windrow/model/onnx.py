"""Any other model: an ONNX file, run by onnxruntime (extra `onnx`).

Owns how columns become the one matrix that most exported models take, and the errors of files that want something else.
What it predicts is watched as predictions from anywhere are: a column beside the observed one.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from windrow.errors import ConfigError, DataError, ModelError
from windrow.model.training_data import need

__all__ = ["OnnxModel"]

_TYPES = {"tensor(float)": np.float32, "tensor(double)": np.float64}


class OnnxModel:
    """A model in an ONNX file, with one input (rows x columns) and predictions as its first output.

    Parameters
    ----------
    path : path
        The file.
    inputs : list of str
        The columns that make its matrix, in its order.

    Raises
    ------
    WindrowError
        onnxruntime isn't installed: ``pip install 'windrow[onnx]'``.
    ConfigError
        There is no such file.
    ModelError
        It is no ONNX model, or takes something else.

    Examples
    --------
    >>> import windrow as wr
    >>> from windrow.model.onnx import OnnxModel
    >>> model = OnnxModel("furnace.onnx", ["gas", "air"])  # doctest: +SKIP
    >>> table = model.predict(table)  # doctest: +SKIP
    >>> detector = wr.Detector("residual", measures="heat", predicted="predicted", time="time")
    """

    def __init__(self, path: str | os.PathLike[str], inputs: Sequence[str]) -> None:
        runtime = need("onnxruntime", "onnx")
        if not Path(path).is_file():
            raise ConfigError(f"there is no file `{path}`")
        self.inputs = list(inputs)
        try:
            self._session = runtime.InferenceSession(os.fspath(path), providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime has a class of its own for each code
            raise ModelError(f"`{path}`: this is no ONNX model: {error}") from error
        wanted = self._session.get_inputs()
        if len(wanted) != 1 or wanted[0].type not in _TYPES:
            raise ModelError(
                f"`{path}` must take one matrix of floats, got {', '.join(f'{one.name}: {one.type}' for one in wanted)}"
            )
        columns = wanted[0].shape[-1]
        if isinstance(columns, int) and columns != len(self.inputs):
            raise ConfigError(f"`inputs` must name the {columns} columns of `{path}`, got {len(self.inputs)}")
        self._name, self._type = wanted[0].name, _TYPES[wanted[0].type]

    def predict(self, table: Any) -> Any:
        """Add the column `predicted`; null where an input is missing.

        Parameters
        ----------
        table : Arrow table or mapping of str to array
            With the inputs.

        Returns
        -------
        pyarrow.Table

        Raises
        ------
        DataError
            A column isn't there, or holds no numbers.
        """
        pa = need("pyarrow", "arrow")
        table = pa.table(table)
        columns = []
        for name in self.inputs:
            if name not in table.column_names:
                raise DataError(f"there is no column {name!r}, only {', '.join(table.column_names)}")
            try:
                columns.append(np.array(table.column(name).cast(pa.float64()).to_numpy(), float))
            except pa.ArrowInvalid as error:
                raise DataError(f"column {name!r} must hold numbers") from error
        matrix = np.column_stack(columns) if columns else np.empty((len(table), 0))
        known = np.isfinite(matrix).all(axis=1)
        predicted = np.full(len(table), np.nan)
        if known.any():
            out = self._session.run(None, {self._name: matrix[known].astype(self._type)})[0]
            predicted[known] = np.asarray(out, float).reshape(int(known.sum()), -1)[:, 0]
        if "predicted" in table.column_names:
            table = table.drop_columns(["predicted"])
        return table.append_column("predicted", pa.array(predicted, from_pandas=True))
