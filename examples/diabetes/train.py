"""Train a regression: how far diabetes will have gone in a year, from ten measurements (scikit-learn's own data)."""

from pathlib import Path

import joblib
from sklearn.datasets import load_diabetes
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.metrics import mean_absolute_error
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from engine import lock_models

SEED = 1234
FOLDER = Path(__file__).parent
MODEL = FOLDER / "build" / "model.joblib"


def main() -> None:
    """Train, report, save and pin."""
    measurements, progression = load_diabetes(return_X_y=True, scaled=False)
    known, held_out, known_progression, held_out_progression = train_test_split(
        measurements, progression, test_size=0.3, random_state=SEED
    )
    model = make_pipeline(StandardScaler(), GradientBoostingRegressor(n_estimators=60, max_depth=3, random_state=SEED))
    model.fit(known, known_progression)
    print("mean absolute error:", round(mean_absolute_error(held_out_progression, model.predict(held_out)), 1))
    MODEL.parent.mkdir(exist_ok=True)
    joblib.dump(model, MODEL)
    print("saved:", MODEL)
    lock_models(FOLDER / "routes.yaml")


if __name__ == "__main__":
    main()
