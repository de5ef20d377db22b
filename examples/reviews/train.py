"""Train a text classifier: does a review praise or blame? The reviews are made here, from phrases."""

import random
from pathlib import Path

import joblib
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from engine import lock_models

SEED = 1234
FOLDER = Path(__file__).parent
MODEL = FOLDER / "build" / "model.joblib"
THINGS = ("the coffee", "the room", "our waiter", "the breakfast", "the view", "this book", "the delivery", "the price")
PHRASES = {
    "positive": (
        "was wonderful",
        "made our day",
        "is worth every cent",
        "could not be better",
        "I love",
        "so friendly",
    ),
    "negative": ("was terrible", "ruined our day", "is a waste of money", "never again", "I regret", "so rude"),
}
FILLERS = ("honestly,", "as always,", "this time", "for my family", "to be fair,", "after a long trip")


def reviews(count: int) -> tuple[list[str], list[str]]:
    """Make reviews and what they are."""
    choice = random.Random(SEED)
    kinds = [choice.choice(list(PHRASES)) for _ in range(count)]
    texts = [
        " ".join((choice.choice(FILLERS), choice.choice(THINGS), choice.choice(PHRASES[kind]), choice.choice(FILLERS)))
        for kind in kinds
    ]
    return texts, kinds


def main() -> None:
    """Train, report, save and pin."""
    texts, held_out, kinds, held_out_kinds = train_test_split(*reviews(600), test_size=0.3, random_state=SEED)
    model = make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression())
    model.fit(texts, kinds)
    print("accuracy:", accuracy_score(held_out_kinds, model.predict(held_out)))
    MODEL.parent.mkdir(exist_ok=True)
    joblib.dump(model, MODEL)
    print("saved:", MODEL)
    lock_models(FOLDER / "routes.yaml")


if __name__ == "__main__":
    main()
