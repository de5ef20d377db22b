"""scikit-learn's vectorizers of texts → steps that count words without scipy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer, TfidfVectorizer

from engine.models.lowering.result import NotLowered, Steps
from engine.models.runtime import steps as s


def _counts(step: Any) -> Steps:
    own = [name for name in ("preprocessor", "tokenizer") if getattr(step, name) is not None]
    own += [name for name in ("analyzer", "strip_accents") if callable(getattr(step, name))]
    if own or step.input != "content":
        raise NotLowered(f"{type(step).__name__} with {own[0] if own else 'input'} of its own")
    words = np.empty(len(step.vocabulary_), object)
    for word, place in step.vocabulary_.items():
        words[place] = word
    shortest, longest = step.ngram_range
    return (
        s.Words(
            step.analyzer,
            words,
            step.token_pattern or "",
            int(shortest),
            int(longest),
            tuple(sorted(step.get_stop_words() or ())) if step.analyzer == "word" else (),
            bool(step.lowercase),
            step.strip_accents or "",
            bool(step.binary),
        ),
    )


def _weights(step: Any) -> Steps:
    weights = step.idf_ if step.use_idf else None
    return (s.Weigh(weights, bool(step.sublinear_tf), step.norm or ""),)


def _weighted_counts(step: Any) -> Steps:
    return (*_counts(step), *_weights(step))


VECTORIZERS: Mapping[type, Callable[[Any], Steps]] = {
    CountVectorizer: _counts,
    TfidfTransformer: _weights,
    TfidfVectorizer: _weighted_counts,
}
