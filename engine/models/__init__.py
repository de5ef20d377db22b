"""compile: a model's file → a `Predictor`. The only folder that imports scikit-learn and similar libraries."""

from engine.models.compiling.pinning import Pinned, lock_models, pin_models
from engine.models.compiling.prepare import (
    compile_models,
    needs_sklearn,
    prepare_models,
)
from engine.models.compiling.run_with_models import lost_at_models, run_with_models
from engine.models.composing.open_models import complete_spec, own_predictors, restore_alone, restore_models
from engine.models.composing.rehearsal import rehearse_models
from engine.models.files.model_file import ModelFile, require_readable
from engine.models.files.modules import leave_start_folder
from engine.models.predictor import STAND_IN, Facts, Placement, Prediction, Predictor, ResultForm
from engine.models.restoring.cache import NOT_COMPILED, describe_surroundings, hash_code, writable_cache
from engine.models.restoring.compiled_model import CompiledModel
from engine.models.restoring.needed_libraries import to_compile, to_serve
from engine.models.restoring.placement import place_model
from engine.models.restoring.prepared import LoadedEstimators, PreparedModel
from engine.models.restoring.result_form import NOT_FINITE, is_finite
from engine.models.restoring.snapshot import Snapshot
from engine.models.runtime.class_names import key_of
from engine.models.runtime.report import Report
