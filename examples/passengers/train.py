"""Train on a mixed table: will a booked passenger come? Numbers and categories, both with gaps; the data is made here.

Needs pandas, whose frames a ColumnTransformer selects its columns from by name.
"""

from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.metrics import accuracy_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from engine import lock_models

SEED = 1234
FOLDER = Path(__file__).parent
MODEL = FOLDER / "build" / "model.joblib"
NUMBERS = ["age", "days_ahead"]
CATEGORIES = ["fare", "airport"]


def bookings(count: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Make bookings, every tenth age and airport unknown, and whether the passenger came."""
    random = np.random.default_rng(SEED)
    table = pd.DataFrame(
        {
            "age": random.integers(1, 90, count).astype(float),
            "days_ahead": random.integers(0, 365, count),
            "fare": random.choice(["saver", "standard", "flexible"], count, p=[0.5, 0.3, 0.2]),
            "airport": random.choice(["ZRH", "LIS", "HEL"], count),
        }
    )
    tempted = 0.004 * table["days_ahead"] + (table["fare"] == "flexible") + 0.3 * (table["airport"] == "LIS")
    came = (tempted + random.normal(0, 0.3, count) < 1.2).to_numpy()
    for column in ("age", "airport"):
        table.loc[random.random(count) < 0.1, column] = None
    return table, np.where(came, "comes", "stays away")


def main() -> None:
    """Train, report, save and pin."""
    table, outcome = bookings(2_000)
    known, held_out, known_outcome, held_out_outcome = train_test_split(
        table, outcome, test_size=0.3, random_state=SEED
    )
    columns = make_column_transformer(
        (make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), NUMBERS),
        (make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder()), CATEGORIES),
    )
    model = make_pipeline(columns, RandomForestClassifier(n_estimators=50, max_depth=6, random_state=SEED))
    model.fit(known, known_outcome)
    print("accuracy:", round(accuracy_score(held_out_outcome, model.predict(held_out)), 3))
    MODEL.parent.mkdir(exist_ok=True)
    joblib.dump(model, MODEL)
    print("saved:", MODEL)
    lock_models(FOLDER / "routes.yaml")


if __name__ == "__main__":
    main()
