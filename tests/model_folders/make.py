"""Make the folders in this one again, with the real MLflow of each version, and its own answers to some rows.

For each VERSION of 3.17.2, 2.9.2 and 1.30.1, in an environment of its own with the libraries of the engine's tests:

    pip install mlflow-skinny==VERSION pandas scikit-learn skops xgboost-cpu lightgbm catboost onnx onnxruntime skl2onnx
    python tests/model_folders/make.py

(the older two also need "setuptools<80"). Each folder gets an answers.json, which no code of MLflow reads: rows, and
what `mlflow.pyfunc.load_model(folder).predict` answers to them.
"""

from __future__ import annotations

import json
import shutil
import sys
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import mlflow
import mlflow.catboost
import mlflow.lightgbm
import mlflow.onnx
import mlflow.pyfunc
import mlflow.sklearn
import mlflow.xgboost
import numpy as np
import pandas as pd
from mlflow.models import infer_signature
from mlflow.models.signature import ModelSignature
from mlflow.types import ColSpec, Schema
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

HERE = Path(__file__).parent
MAJOR = mlflow.__version__.partition(".")[0]
IRIS, KINDS = load_iris(return_X_y=True)
NAMES = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
FRAME = pd.DataFrame(IRIS, columns=NAMES)
SPECIES = np.array(["setosa", "versicolor", "virginica"], object)[KINDS]
TWO = (KINDS == 2).astype(int)
EVERY = slice(None, None, 15)


def flats() -> tuple[pd.DataFrame, Any]:
    """Return columns of every type, one of them optional, and a price."""
    random = np.random.default_rng(0)
    rooms, area = random.integers(1, 6, 120), random.uniform(20, 150, 120).round(1)
    frame = pd.DataFrame(
        {
            "rooms": rooms,
            "area": area,
            "district": random.choice(["north", "south", "west"], 120).astype(object),
            "balcony": random.random(120) < 0.5,
            "age": np.where(random.random(120) < 0.2, np.nan, random.integers(0, 90, 120)),
        }
    )
    return frame, 3.0 * area + 20.0 * rooms


def flats_model() -> Any:
    frame, price = flats()
    columns = ColumnTransformer(
        [
            ("numbers", SimpleImputer(), ["rooms", "area", "age"]),
            ("texts", OneHotEncoder(), ["district"]),
            ("balcony", "passthrough", ["balcony"]),
        ]
    )
    return make_pipeline(columns, LinearRegression()).fit(frame, price)


def save_sklearn(model: Any, rows: Any, folder: Path, **options: Any) -> None:
    mlflow.sklearn.save_model(
        model, str(folder), signature=infer_signature(rows, model.predict(rows)), input_example=rows[:2], **options
    )


def sklearn_named(folder: Path) -> None:
    save_sklearn(
        make_pipeline(StandardScaler(), LogisticRegression()).fit(FRAME, SPECIES),
        FRAME,
        folder,
        serialization_format="cloudpickle",
    )


def sklearn_skops(folder: Path) -> None:
    save_sklearn(flats_model(), flats()[0], folder, skops_trusted_types=["numpy.dtype"])


def sklearn_array(folder: Path) -> None:
    save_sklearn(LogisticRegression(max_iter=500).fit(IRIS, KINDS), IRIS, folder, serialization_format="pickle")


def sklearn_columns(folder: Path) -> None:
    """Save a model of an array with a signature of columns, which has the only names."""
    model = LogisticRegression(max_iter=500).fit(IRIS, KINDS)
    signature = ModelSignature(
        inputs=Schema([ColSpec("double", name) for name in NAMES]), outputs=Schema([ColSpec("long")])
    )
    mlflow.sklearn.save_model(model, str(folder), signature=signature, serialization_format="pickle")


def sklearn_probabilities(folder: Path) -> None:
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(FRAME, SPECIES)
    save_sklearn(model, FRAME, folder, serialization_format="cloudpickle", pyfunc_predict_fn="predict_proba")


def sklearn_code(folder: Path) -> None:
    sys.path.insert(0, str(HERE))
    from ratios import Ratio

    rows = FRAME[NAMES[:2]]
    model = make_pipeline(Ratio(), LinearRegression()).fit(rows, FRAME["petal_length"])
    save_sklearn(model, rows, folder, serialization_format="cloudpickle", code_paths=[str(HERE / "ratios.py")])


def xgboost_classifier(folder: Path) -> None:
    from xgboost import XGBClassifier

    model = XGBClassifier(n_estimators=3, max_depth=2, n_jobs=1).fit(FRAME, KINDS)
    signature = infer_signature(FRAME, model.predict(FRAME))
    mlflow.xgboost.save_model(model, str(folder), signature=signature)


def xgboost_booster(folder: Path) -> None:
    import xgboost

    data = xgboost.DMatrix(FRAME, TWO)
    model = xgboost.train({"objective": "binary:logistic", "max_depth": 2, "nthread": 1}, data, 3)
    signature = infer_signature(FRAME, model.predict(data))
    mlflow.xgboost.save_model(model, str(folder), signature=signature)


def lightgbm_classifier(folder: Path) -> None:
    from lightgbm import LGBMClassifier

    model = LGBMClassifier(n_estimators=3, num_leaves=4, n_jobs=1, verbose=-1).fit(FRAME, SPECIES)
    options = {"serialization_format": "pickle"} if MAJOR == "3" else {}
    mlflow.lightgbm.save_model(model, str(folder), signature=infer_signature(FRAME, model.predict(FRAME)), **options)


def lightgbm_booster(folder: Path) -> None:
    import lightgbm

    options = {"objective": "binary", "num_leaves": 4, "num_threads": 1, "verbose": -1}
    model = lightgbm.train(options, lightgbm.Dataset(FRAME, TWO), 3)
    mlflow.lightgbm.save_model(model, str(folder), signature=infer_signature(FRAME, model.predict(FRAME)))


def catboost_classifier(folder: Path) -> None:
    from catboost import CatBoostClassifier

    model = CatBoostClassifier(iterations=3, depth=2, verbose=0, thread_count=1, allow_writing_files=False)
    model.fit(FRAME, SPECIES)
    signature = infer_signature(FRAME, model.predict(FRAME))
    mlflow.catboost.save_model(model, str(folder), signature=signature)


def onnx(folder: Path) -> None:
    from skl2onnx import to_onnx

    rows = IRIS.astype(np.float32)
    fitted = LogisticRegression(max_iter=500).fit(rows, KINDS)
    graph = to_onnx(fitted, rows[:1], options={"zipmap": False})
    signature = infer_signature(rows, KINDS)
    mlflow.onnx.save_model(graph, str(folder), signature=signature)


def onnx_data(folder: Path) -> None:
    """Save a graph whose weights MLflow puts into a file of their own, as those of over 1 KiB."""
    import onnx as library
    from skl2onnx import to_onnx
    from sklearn.neural_network import MLPRegressor

    rows = IRIS.astype(np.float32)
    fitted = MLPRegressor(hidden_layer_sizes=(100,), max_iter=50, random_state=0).fit(rows, rows[:, 3])
    graph = to_onnx(fitted, rows[:1])
    for tensor in graph.graph.initializer:
        if tensor.float_data:  # only what is raw goes into a file
            values = library.numpy_helper.to_array(tensor)
            tensor.CopyFrom(library.numpy_helper.from_array(values, tensor.name))
    frame = FRAME.astype(np.float32)
    mlflow.onnx.save_model(graph, str(folder), signature=infer_signature(frame, rows[:, 3]))


def onnx_columns(folder: Path) -> None:
    """Save a graph with an input for each column."""
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType, Int64TensorType

    frame = flats()[0][["rooms", "area"]].astype({"area": np.float32})
    scaled = ColumnTransformer([("numbers", StandardScaler(), ["rooms", "area"])])
    fitted = make_pipeline(scaled, LinearRegression()).fit(frame, flats()[1])
    types = [("rooms", Int64TensorType([None, 1])), ("area", FloatTensorType([None, 1]))]
    graph = to_onnx(fitted, initial_types=types)
    signature = infer_signature(tensors_of(frame), flats()[1].astype(np.float32))
    mlflow.onnx.save_model(graph, str(folder), signature=signature)


def tensors_of(frame: pd.DataFrame) -> dict[str, Any]:
    return {name: frame[[name]].to_numpy() for name in frame}


def function(folder: Path) -> None:
    class Own(mlflow.pyfunc.PythonModel):
        def predict(self, context: Any, model_input: Any) -> Any:  # noqa: ARG002
            return model_input.sum(axis=1)

    mlflow.pyfunc.save_model(str(folder), python_model=Own(), pip_requirements=["numpy==2.4.6"])
    (folder / "python_model.pkl").unlink()  # it names the folder of this script, and nobody reads it


def asked(folder: Path) -> tuple[list[Any], list[Any]]:
    """Return some rows, and what MLflow answers to them."""
    frame = flats()[0] if folder.name in ("sklearn-skops", "onnx-columns") else FRAME
    frame = frame[EVERY]
    if folder.name == "onnx-columns":
        frame = frame[["rooms", "area"]].astype({"area": np.float32})
    if folder.name == "onnx-data":
        frame = frame.astype(np.float32)
    is_array = folder.name in ("sklearn-array", "onnx")
    rows: Any = frame.to_numpy().astype(np.float32 if folder.name == "onnx" else float) if is_array else frame
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rows = tensors_of(frame) if folder.name == "onnx-columns" else rows
        answers = mlflow.pyfunc.load_model(str(folder)).predict(rows)
    answers = next(iter(answers.values())) if isinstance(answers, dict) else answers
    listed = json.loads(frame.to_json(orient="records", double_precision=15))
    return listed, np.asarray(answers).squeeze().tolist()


FOLDERS: Mapping[str, Mapping[str, Callable[[Path], None]]] = {
    "3": {
        "sklearn-named": sklearn_named,
        "sklearn-skops": sklearn_skops,
        "sklearn-array": sklearn_array,
        "sklearn-columns": sklearn_columns,
        "sklearn-probabilities": sklearn_probabilities,
        "sklearn-code": sklearn_code,
        "xgboost-classifier": xgboost_classifier,
        "xgboost-booster": xgboost_booster,
        "lightgbm-classifier": lightgbm_classifier,
        "lightgbm-booster": lightgbm_booster,
        "catboost-classifier": catboost_classifier,
        "onnx": onnx,
        "onnx-data": onnx_data,
        "onnx-columns": onnx_columns,
        "function": function,
    },
    "2": {
        "sklearn-named": sklearn_named,
        "sklearn-array": sklearn_array,
        "xgboost-classifier": xgboost_classifier,
        "lightgbm-classifier": lightgbm_classifier,
    },
    "1": {
        "sklearn-named": sklearn_named,
        "xgboost-booster": xgboost_booster,
    },
}


def main() -> None:
    """Make the folders of this version of MLflow, or only the named ones."""
    for name, save in FOLDERS[MAJOR].items():
        if sys.argv[1:] and name not in sys.argv[1:]:
            continue
        folder = HERE / f"mlflow{MAJOR}" / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(exist_ok=True)
        save(folder)
        if name != "function":
            rows, answers = asked(folder)
            text = json.dumps({"rows": rows, "answers": answers}, indent=1)
            (folder / "answers.json").write_text(text + "\n")
        print(folder)  # noqa: T201


if __name__ == "__main__":
    main()
