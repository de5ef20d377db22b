"""load, parse: YAML text → a frozen, typed `Spec`. The only folder that knows a YAML key."""

from engine.spec.files import inside, write_whole
from engine.spec.grammar import GrammarName, grammar
from engine.spec.load import load
from engine.spec.lock import write_pins
from engine.spec.paths import LazyRule
from engine.spec.records import Example, Limits, Model, Output, Response, Route, Schema, Service, Spec
from engine.spec.templates import Parameter, parse_template

__all__ = [
    "Example",
    "GrammarName",
    "LazyRule",
    "Limits",
    "Model",
    "Output",
    "Parameter",
    "Response",
    "Route",
    "Schema",
    "Service",
    "Spec",
    "grammar",
    "inside",
    "load",
    "parse_template",
    "write_pins",
    "write_whole",
]
