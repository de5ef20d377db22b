"""compile: a model's file → a `Predictor`. The only folder that imports scikit-learn and similar libraries."""

from engine.models.bounded import lost_at_models, open_apart
from engine.models.cache import NOT_COMPILED, decode, encode, hash_code, writable_cache
from engine.models.compile import (
    Progress,
    compile_models,
    needs_sklearn,
    prepare_models,
)
from engine.models.modelfile import ModelFile
from engine.models.modules import leave_start_folder
from engine.models.needs import to_compile, to_serve
from engine.models.pinning import Pinned, lock_models, pin
from engine.models.predictor import Facts, Prediction, Predictor, ResultForm, key_of
from engine.models.prepared import Opened, Prepared
from engine.models.rehearsal import rehearse
from engine.models.report import Report
from engine.models.restoring import restore_alone, restore_models
from engine.models.results import NOT_FINITE, is_finite
from engine.models.snapshot import Snapshot

__all__ = [
    "NOT_COMPILED",
    "NOT_FINITE",
    "Facts",
    "ModelFile",
    "Opened",
    "Pinned",
    "Prediction",
    "Predictor",
    "Prepared",
    "Progress",
    "Report",
    "ResultForm",
    "Snapshot",
    "compile_models",
    "decode",
    "encode",
    "hash_code",
    "is_finite",
    "key_of",
    "leave_start_folder",
    "lock_models",
    "lost_at_models",
    "needs_sklearn",
    "open_apart",
    "pin",
    "prepare_models",
    "rehearse",
    "restore_alone",
    "restore_models",
    "to_compile",
    "to_serve",
    "writable_cache",
]
