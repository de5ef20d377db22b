"""load, parse: YAML text → a frozen, typed `Spec`. No other folder reads YAML keys."""

from engine.spec.authoring.condition_names import add_condition_names
from engine.spec.authoring.drafts import (
    Draft,
    draft_hello,
    draft_model,
    name_from,
    require_free,
    write_drafts,
    write_results,
)
from engine.spec.authoring.entry_text import ModelEntry
from engine.spec.authoring.outline import Outline, OutlinedFeature, bare_model, in_other_file
from engine.spec.authoring.yaml_text import write_field, write_scalar
from engine.spec.checking.answering.cases import check_answers
from engine.spec.checking.built_in import BUILT_IN, DOCS_FILES, divide_for_admin, docs_file_path
from engine.spec.checking.grammar import GrammarName, grammar
from engine.spec.checking.guards import MAX_KEY
from engine.spec.checking.limits import read_size
from engine.spec.checking.pins import lock_of, write_pins
from engine.spec.checking.scaling import require_countable
from engine.spec.choices import RESPONSE_METHODS, RUNTIMES, ResponseMethodName, RuntimeName
from engine.spec.composed_records import Average, Chain, Composition, Switch, Table
from engine.spec.conditions import (
    Alternatives,
    Condition,
    IsPresent,
    Matches,
    Negation,
    Together,
)
from engine.spec.gathering.spec_files import Opens, Watched
from engine.spec.globs import FilePattern
from engine.spec.load import PackedFiles, load_spec
from engine.spec.model_folders.examples import example_in
from engine.spec.model_folders.folder_records import ModelFolder, Signature, SignedColumn
from engine.spec.model_folders.inner_files import find_inner
from engine.spec.model_records import Computed, Example, FileModel, Model, Output, Scale, Schema, StandIn
from engine.spec.named_files import MAX_BYTES as MAX_FILE_BYTES
from engine.spec.named_files import (
    find_inside,
    near_by,
    normal_name,
    read_below,
    read_regular,
    read_unlinked,
    write_whole,
)
from engine.spec.naming.known import Known, read_default
from engine.spec.naming.model_names import ModelAnswer, answer_roots, without_answer
from engine.spec.naming.name_tables import path_object, problem_names
from engine.spec.naming.names import Names
from engine.spec.naming.route_names import body_document, cases_with_names, route_names, used_roots
from engine.spec.protocol_records import LENGTH_HEADER, PROTOCOLS, ProtocolName, Wire, WireAction
from engine.spec.reading.compose import asking_names, asking_places, variables_in, walk_nodes
from engine.spec.reading.environment import is_asking
from engine.spec.reading.node import Node
from engine.spec.reading.source import Source
from engine.spec.records import BATCH_KEY, BuiltIn, Route, Spec
from engine.spec.references import URI_HEADERS, Name, Reference, Template, lone_reference, parse_template, references_in
from engine.spec.response_records import Case, DeclaredBody, DeclaredResponse, Sequence, SequenceStep
from engine.spec.service_records import Cors, Fault, Limits, RateLimit, Rates, Service
from engine.spec.urls.url_rules import LazyRule, parameter_schemas, path_template, rule_shape, text_parameters
