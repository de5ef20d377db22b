"""Train four small models that models.yaml puts together: a district from a place, and prices from that.

The data is made here. Needs pandas, for the names of the features.
"""

from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.tree import DecisionTreeClassifier

from engine import lock_models

SEED = 1234
FOLDER = Path(__file__).parent
BUILD = FOLDER / "build"
DISTRICTS = ["harbour", "hills", "old town"]


def houses(count: int) -> pd.DataFrame:
    """Make houses, each with its place, its district and what it was sold for."""
    random = np.random.default_rng(SEED)
    table = pd.DataFrame(
        {"east": random.uniform(0, 10, count).round(2), "north": random.uniform(0, 10, count).round(2)}
    )
    number = np.where(table.north > 6, 1, np.where(table.east < 5, 0, 2))
    table["district"] = np.array(DISTRICTS)[number]
    table["rooms"] = random.integers(1, 8, count)
    table["price"] = table.rooms * 120_000.0 + number * 90_000 + random.normal(0, 20_000, count)
    return table


def main() -> None:
    """Train, save and pin."""
    table = houses(600)
    place, known = table[["east", "north"]], table[["rooms", "district"]]
    district = DecisionTreeClassifier(random_state=SEED).fit(place, table.district)
    encoded = make_column_transformer((OneHotEncoder(), ["district"]), remainder="passthrough")
    models = {
        "district": district,
        "linear": make_pipeline(encoded, LinearRegression()).fit(known, table.price),
        "forest": RandomForestRegressor(20, random_state=SEED).fit(table[["rooms", "east", "north"]], table.price),
        "rent": LinearRegression().fit(table[["rooms"]], table.price / 240),
    }
    BUILD.mkdir(exist_ok=True)
    for name, model in models.items():
        joblib.dump(model, BUILD / f"{name}.joblib")
        print("saved:", BUILD / f"{name}.joblib")
    lock_models(FOLDER / "routes.yaml")


if __name__ == "__main__":
    main()
