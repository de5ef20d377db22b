"""What is written for people is read as what it was, by a reader of YAML that knows nothing of the writer."""

from __future__ import annotations

from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from engine.exporting.yaml_lines import Noted, Raw, write_document

TEXTS = st.one_of(
    st.text(max_size=40),
    st.lists(st.text("ab #:-|'\"\t{}", max_size=8), max_size=6).map("\n".join),
    st.sampled_from(
        ["no", "1e3", "0x1f", "2026-11-27", "12:30", "~", "- a", "# a\nb\n", "a\n\n", "\n", " a\n b\n", "a \n \n b"]
    ),
)
SCALARS = st.one_of(TEXTS, st.integers(-(10**6), 10**6), st.booleans(), st.none())
OBJECTS = st.recursive(
    st.dictionaries(TEXTS, SCALARS, max_size=4),
    lambda inner: st.dictionaries(
        TEXTS, st.one_of(SCALARS, inner, st.lists(SCALARS, max_size=4), st.lists(inner.filter(bool), max_size=3))
    ),
    max_leaves=8,
)


@given(OBJECTS)
def test_any_object_is_read_as_it_was(value: dict[str, Any]) -> None:
    read = yaml.load(write_document({"top": value}), yaml.CSafeLoader)
    assert {"top": value} == read


def test_it_is_written_as_a_person_would() -> None:
    value = {
        "command": ["sleep", "5"],
        "replicas": Noted(Raw("{{ .Values.replicas }}"), "As many\nas you like."),
        "rules": [{"expr": 'up{job="a"} == 0', "labels": {}}, {"expr": "b", "hosts": []}],
        "text": "# a comment\n\n  and more \nend",
    }
    assert """\
command: [sleep, "5"]
# As many
# as you like.
replicas: {{ .Values.replicas }}
rules:
  - expr: 'up{job="a"} == 0'
    labels: {}
  - expr: b
    hosts: []
text: |-
  # a comment

    and more\N{SPACE}
  end
""" == write_document(value)
