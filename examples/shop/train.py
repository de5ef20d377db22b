"""Train the models of a shop: who leaves, and what a customer's next basket is worth. The data is made here.

Needs pandas, for the names of the features.
"""

from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.metrics import accuracy_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from engine import lock_models

SEED = 1234
FOLDER = Path(__file__).parent
BUILD = FOLDER / "build"
PLANS = ["basic", "plus", "club"]


def customers(count: int) -> pd.DataFrame:
    """Make customers, a tenth of them without a known spending, and what became of each."""
    random = np.random.default_rng(SEED)
    table = pd.DataFrame(
        {
            "plan": random.choice(PLANS, count, p=[0.6, 0.3, 0.1]),
            "months": random.integers(1, 61, count),
            "orders": random.poisson(6, count),
            "spend": random.gamma(4, 30, count).round(2),
        }
    )
    loyalty = 0.04 * table.months + 0.25 * table.orders + 1.2 * (table.plan != "basic")
    table["outcome"] = np.where(loyalty + random.normal(0, 0.6, count) < 2.6, "leaves", "stays")
    table["basket"] = (0.5 * table.spend + 2 * table.orders + random.normal(0, 5, count)).round(2)
    table.loc[random.random(count) < 0.1, "spend"] = None
    return table


def main() -> None:
    """Train, report, save and pin."""
    table = customers(1_500)
    known = table[["plan", "months", "orders", "spend"]]
    columns = make_column_transformer(
        (SimpleImputer(strategy="median"), ["months", "orders", "spend"]), (OneHotEncoder(), ["plan"])
    )
    churn = make_pipeline(columns, RandomForestClassifier(20, max_depth=6, random_state=SEED)).fit(known, table.outcome)
    risk = churn.predict_proba(known)[:, list(churn.classes_).index("leaves")]
    print("accuracy:", round(accuracy_score(table.outcome, churn.predict(known)), 3))
    web = table[["months", "orders"]].assign(risk=risk)
    models = {
        "churn": churn,
        "web_basket": LinearRegression().fit(web, table.basket),
        "usual_basket": RandomForestRegressor(20, max_depth=5, random_state=SEED).fit(
            table[["months", "orders"]], table.basket
        ),
        "store_basket": LinearRegression().fit(table[["orders"]], table.basket),
    }
    BUILD.mkdir(exist_ok=True)
    for name, model in models.items():
        joblib.dump(model, BUILD / f"{name}.joblib")
        print("saved:", BUILD / f"{name}.joblib")
    lock_models(FOLDER / "routes.yaml")


if __name__ == "__main__":
    main()
