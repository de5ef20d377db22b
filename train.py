"""Train the sample model: a random forest that tells three species of iris apart.

Prints its accuracy and the classification report on the held-out third. Writes build/model.pkl and, for the proof
that the compiled model answers alike, the held-out rows in build/reference.csv; pins the model in models.lock.
"""

import os
import pickle
from pathlib import Path

import numpy as np
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import accuracy_score, classification_report
from sklearn.model_selection import train_test_split

from engine import lock_models

SEED = 1234
NAMES = ("sepal_length", "sepal_width", "petal_length", "petal_width")
FOLDER = Path(__file__).parent
MODEL = FOLDER / "build" / "model.pkl"


def main(file: Path = MODEL, trees: int = 300) -> None:
    """Train, report and save."""
    features, species = load_iris(return_X_y=True)
    train_features, test_features, train_species, test_species = train_test_split(
        features, species, test_size=0.3, random_state=SEED
    )
    model = RandomForestClassifier(n_estimators=trees, random_state=SEED)
    model.fit(train_features, train_species)
    predicted = model.predict(test_features)
    print("accuracy:", accuracy_score(test_species, predicted))
    print(classification_report(test_species, predicted))
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(pickle.dumps(model))  # as any other tool expects of a .pkl; what joblib writes is a .joblib
    np.savetxt(file.with_name("reference.csv"), test_features, "%g", ",", header=",".join(NAMES), comments="")
    print("saved:", os.path.relpath(file))
    if file == MODEL:
        lock_models(FOLDER / "routes.yaml", names=["iris", "species"])


if __name__ == "__main__":
    main()
