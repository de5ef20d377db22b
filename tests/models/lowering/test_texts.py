"""Models of texts are compiled: words are counted and weighed as scikit-learn's vectorizers do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from modelling import Serve
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge, SGDClassifier
from sklearn.pipeline import make_pipeline

WORDS = ["good", "bad", "the day", "Night", "café", "cafe", "a", "I'm", "very  good", "İstanbul", "naïve", "x1", "ﬁne"]
random = np.random.default_rng(0)


def texts(count: int, words: list[str]) -> list[str]:
    return [" ".join(random.choice(words, random.integers(0, 9))) for _ in range(count)]


TRAINED = [*texts(60, WORDS), "good good good"]
ASKED = [*TRAINED, *texts(100, [*WORDS, "unknown", "GOOD", "日本", "\n\t", "day.night"]), "", "?"]
TARGET = np.array(["down", "none", "up"])[[("good" in text) - ("bad" in text) + 1 for text in TRAINED]]
WIDE = CountVectorizer(analyzer="char_wb", ngram_range=(2, 4))

MODELS: dict[str, Any] = {
    "pairs of words": make_pipeline(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LogisticRegression()),
    "without stop words": make_pipeline(
        CountVectorizer(stop_words="english", ngram_range=(2, 3), binary=True), LogisticRegression()
    ),
    "without accents": make_pipeline(TfidfVectorizer(strip_accents="unicode", norm="l1"), LogisticRegression()),
    "in ASCII": make_pipeline(
        TfidfVectorizer(strip_accents="ascii", use_idf=False, lowercase=False, token_pattern=r"[A-Za-z]\w*"),
        LogisticRegression(),
    ),
    "characters": make_pipeline(TfidfVectorizer(analyzer="char", ngram_range=(1, 3)), LogisticRegression()),
    "parts of words": make_pipeline(WIDE, TfidfTransformer(norm=None), SGDClassifier(random_state=0)),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_model_of_texts_is_compiled_and_right(name: str, serve: Serve) -> None:
    estimator = MODELS[name].fit(TRAINED, TARGET)
    has_chances = hasattr(estimator, "predict_proba")
    predictor = serve(estimator, input={"type": "string"}, output={"probabilities": has_chances})
    answered = predictor(ASKED)
    assert estimator.predict(ASKED).tolist() == answered.result
    if has_chances:
        chances = [[*one.values()] for one in answered.probabilities or []]
        np.testing.assert_allclose(chances, estimator.predict_proba(ASKED), atol=1e-9)
    assert "numpy" == predictor.facts.report.runtime, predictor.facts.report.trials


def test_a_number_for_a_text_is_compiled_and_right(serve: Serve) -> None:
    estimator = make_pipeline(TfidfVectorizer(), Ridge()).fit(TRAINED, [*map(len, TRAINED)])
    predictor = serve(estimator, input={"type": "string"})
    np.testing.assert_allclose(predictor(ASKED).result, estimator.predict(ASKED), rtol=1e-9)
    assert "numpy" == predictor.facts.report.runtime, predictor.facts.report.trials


def split(text: str) -> list[str]:
    return text.split("o")


def test_a_tokenizer_of_somebodys_own_stays_with_scikit_learn(serve: Serve) -> None:
    estimator = make_pipeline(TfidfVectorizer(tokenizer=split, token_pattern=None), LogisticRegression())
    predictor = serve(estimator.fit(TRAINED, TARGET), input={"type": "string"})
    assert estimator.predict(ASKED).tolist() == predictor(ASKED).result
    report = predictor.facts.report
    assert "sklearn" == report.runtime
    assert any("TfidfVectorizer with tokenizer of its own" in trial.reason for trial in report.trials)
