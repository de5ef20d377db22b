"""The OTEL_* variables: what turns traces on, and what is said of wrong ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from serving import run_here

from engine.errors import ServeError
from engine.text import join_words
from engine.tracing import read_trace_settings
from engine.tracing.settings import SAMPLERS

pytest.importorskip("opentelemetry.sdk")
HERE = "http://127.0.0.1:4318"
ON = {"OTEL_TRACES_EXPORTER": "otlp"}


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({}, "None"),
        ({"OTEL_SERVICE_NAME": "x", "OTEL_TRACES_EXPORTER": ""}, "None"),
        ({"OTEL_SDK_DISABLED": "TRUE", **ON}, "traces: off (OTEL_SDK_DISABLED is true)"),
        ({"OTEL_TRACES_EXPORTER": "none"}, "traces: off (OTEL_TRACES_EXPORTER is none)"),
        (ON, "traces: to http://localhost:4318/v1/traces by http/protobuf, sampled by parentbased_always_on"),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "https://me:secret@c.example/otlp/?key=secret"},
            "traces: to https://c.example/otlp/v1/traces by http/protobuf, sampled by parentbased_always_on",
        ),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": HERE, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{HERE}/x"},
            f"traces: to {HERE}/x by http/protobuf, sampled by parentbased_always_on",
        ),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "c:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            "traces: to c:4317 by grpc, sampled by parentbased_always_on",
        ),
        (
            {**ON, "OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.25"},
            "traces: to http://localhost:4318/v1/traces by http/protobuf, sampled by traceidratio 0.25",
        ),
        ({"OTEL_TRACES_EXPORTER": "console"}, "traces: to standard output, sampled by parentbased_always_on"),
    ],
)
def test_what_the_variables_say(variables: dict[str, str], said: str) -> None:
    assert said == str(read_trace_settings(variables))


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("OTEL_SDK_DISABLED", "yes", "true or false"),
        ("OTEL_TRACES_EXPORTER", "zipkin", "otlp, console or none"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json", "http/protobuf or grpc"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4318", "an http:// or https:// URL, such as http://localhost:4318"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a:port", "an http:// or https:// URL, such as http://localhost:4318"),
        (
            "OTEL_TRACES_SAMPLER",
            "half",
            join_words(SAMPLERS, "or"),
        ),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "0", "a whole number above 0"),
        ("OTEL_BSP_SCHEDULE_DELAY", "5s", "a whole number above 0"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "4096", "at most OTEL_BSP_MAX_QUEUE_SIZE, 2048"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "-1", "a number of seconds above 0"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "br", "none, gzip or deflate"),
    ],
)
def test_a_wrong_variable_is_an_error(name: str, value: str, expected: str) -> None:
    with pytest.raises(ServeError) as raised:
        read_trace_settings({**ON, name: value})
    assert f'the environment variable {name} is "{value}"; it must be {expected}' == str(raised.value)


def test_the_argument_of_a_sampler_is_a_ratio() -> None:
    with pytest.raises(ServeError) as raised:
        read_trace_settings({**ON, "OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "10%"})
    said = 'the environment variable OTEL_TRACES_SAMPLER_ARG is "10%"; it must be a number from 0 to 1'
    assert said == str(raised.value)


def test_the_values_of_headers_are_never_shown() -> None:
    with pytest.raises(ServeError) as raised:
        read_trace_settings({**ON, "OTEL_EXPORTER_OTLP_HEADERS": "a=b, secret"})
    assert (
        "the environment variable OTEL_EXPORTER_OTLP_HEADERS: item 2 is not name=value; "
        "it must be a list such as name=value,other=value"
    ) == str(raised.value)


def test_propagators_that_are_not_read_are_warned_of() -> None:
    settings = read_trace_settings({**ON, "OTEL_PROPAGATORS": "b3, baggage"})
    assert settings is not None
    assert (False, ('OTEL_PROPAGATORS: "b3" has no effect; only tracecontext is read',)) == (
        settings.takes_parents,
        settings.warnings,
    )


@pytest.mark.usefixtures("in_place")
def test_check_says_where_traces_go(spec_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (spec_folder / "routes.yaml").write_text("routes: [{path: /, response: {text: x}}]")
    assert "1 route: ok\n" == run_here("check").stdout
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", HERE)
    said = f"traces: to {HERE}/v1/traces by http/protobuf, sampled by parentbased_always_on"
    assert f"{said}\n\n1 route: ok\n" == run_here("check").stdout
    told = json.loads(run_here("check", "--json").stdout)["traces"]
    assert ("otlp", f"{HERE}/v1/traces", "") == (told["exporter"], told["target"], told["off"])
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "half")
    ended = run_here("check")
    assert 1 == ended.returncode
    assert 'the environment variable OTEL_TRACES_SAMPLER is "half"; it must be' in ended.stderr
