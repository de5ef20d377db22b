"""The OTEL_* variables → whether there are traces and where they go, or what is wrong with a variable.

Names and values: https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/. Nothing of
OpenTelemetry is imported here; its SDK reads the same variables in the workers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from urllib.parse import urlsplit

from engine.errors import ServeError
from engine.text import join_words

INSTALL = "pip install opentelemetry-sdk opentelemetry-exporter-otlp-proto-"
DEFAULT_ENDPOINTS = {"http/protobuf": "http://localhost:4318", "grpc": "http://localhost:4317"}
_ENDPOINT, _TRACES_ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
# Any of these turns traces on; the name of a service, for example, does not.
_ASKING = ("OTEL_TRACES_EXPORTER", _ENDPOINT, _TRACES_ENDPOINT)
_EXPORTERS = ("otlp", "console", "none")
_SAMPLERS = ("always_on", "always_off", "traceidratio")
SAMPLERS = (*_SAMPLERS, *(f"parentbased_{name}" for name in _SAMPLERS))
_PACKAGES = {
    "http/protobuf": "opentelemetry.exporter.otlp.proto.http",
    "grpc": "opentelemetry.exporter.otlp.proto.grpc",
}
_WHOLE_NUMBERS = (
    "OTEL_BSP_SCHEDULE_DELAY",
    "OTEL_BSP_MAX_QUEUE_SIZE",
    "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
    "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",
    "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",
)
_SECONDS = ("OTEL_EXPORTER_OTLP_TIMEOUT", "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT")
# Lists of names with values; the values of headers are secrets, and never shown.
_LISTS = ("OTEL_RESOURCE_ATTRIBUTES", "OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS")
_QUEUE, _BATCH = 2048, 512  # the defaults of OTEL_BSP_MAX_QUEUE_SIZE and OTEL_BSP_MAX_EXPORT_BATCH_SIZE


@dataclass(frozen=True, slots=True)
class TraceSettings:
    """What the variables say: traces are on unless `off` says why not, and go to `target` by a `protocol`.

    `queue` is how many spans of a worker may wait, `batch` how many are sent at once. `warnings` are about variables
    that have no effect.
    """

    exporter: str = "otlp"
    protocol: str = "http/protobuf"
    target: str = ""
    sampler: str = "parentbased_always_on"
    service: str = ""
    takes_parents: bool = True
    queue: int = _QUEUE
    batch: int = _BATCH
    off: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def is_on(self) -> bool:
        return not self.off

    def __str__(self) -> str:
        if self.off:
            return f"traces: off ({self.off})"
        to = self.target if self.exporter == "otlp" else "standard output"
        by = f" by {self.protocol}" if self.exporter == "otlp" else ""
        return f"traces: to {to}{by}, sampled by {self.sampler}"


def read_trace_settings(environ: Mapping[str, str]) -> TraceSettings | None:
    """Read the variables; None if none of them asks for traces, or forbids them. Raise `ServeError` for wrong ones."""
    values = _Variables(environ)
    if values.flag("OTEL_SDK_DISABLED"):
        return TraceSettings(off="OTEL_SDK_DISABLED is true")
    if not any(values.get(name) for name in _ASKING):
        return None
    exporter = values.choice("OTEL_TRACES_EXPORTER", _EXPORTERS, "otlp")
    if exporter == "none":
        return TraceSettings(off="OTEL_TRACES_EXPORTER is none")
    values.check_all()
    protocol = values.specific("PROTOCOL", tuple(_PACKAGES), "http/protobuf")
    needed = ("opentelemetry.sdk", _PACKAGES[protocol])[: 1 + (exporter == "otlp")]
    lacking = next((name for name in needed if not _is_installed(name)), None)
    if lacking is not None:
        off = f"OpenTelemetry is not installed; run: {INSTALL}{protocol.partition('/')[0]}"
        asking = next(name for name in _ASKING if values.get(name))
        return TraceSettings(off=off, warnings=(f"{asking} asks for traces, but {off}",))
    propagators = [name.strip() for name in values.get("OTEL_PROPAGATORS", "tracecontext,baggage").split(",")]
    unknown = [name for name in propagators if name not in ("tracecontext", "baggage", "none")]
    warnings = [f'OTEL_PROPAGATORS: "{name}" has no effect; only tracecontext is read' for name in unknown]
    return TraceSettings(
        exporter,
        protocol,
        values.target(protocol),
        values.sampler(),
        values.get("OTEL_SERVICE_NAME"),
        takes_parents="tracecontext" in propagators,
        queue=values.number("OTEL_BSP_MAX_QUEUE_SIZE", _QUEUE),
        batch=values.number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", _BATCH),
        warnings=tuple(warnings),
    )


class _Variables:
    """Reads variables; an empty one counts as not set."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def get(self, name: str, default: str = "") -> str:
        return self._environ.get(name, "").strip() or default

    def flag(self, name: str) -> bool:
        return self.choice(name, ("true", "false"), "false") == "true"

    def choice(self, name: str, choices: tuple[str, ...], default: str) -> str:
        value = self.get(name, default).lower()
        if value not in choices:
            raise _wrong(name, self.get(name), join_words(choices, "or"))
        return value

    def specific(self, name: str, choices: tuple[str, ...], default: str) -> str:
        """Read a variable of the exporter; that for traces alone wins."""
        return self.choice(
            f"OTEL_EXPORTER_OTLP_TRACES_{name}",
            choices,
            self.choice(f"OTEL_EXPORTER_OTLP_{name}", choices, default),
        )

    def number(self, name: str, default: int) -> int:
        value = self.get(name, str(default))
        if not (value.isascii() and value.isdecimal() and int(value[:10]) > 0 and len(value) < 10):  # noqa: PLR2004
            raise _wrong(name, value, "a whole number above 0")
        return int(value)

    def sampler(self) -> str:
        sampler = self.choice("OTEL_TRACES_SAMPLER", SAMPLERS, "parentbased_always_on")
        if not sampler.endswith("traceidratio"):
            return sampler
        argument = self.get("OTEL_TRACES_SAMPLER_ARG", "1.0")
        if not 0 <= _number(argument) <= 1:
            raise _wrong("OTEL_TRACES_SAMPLER_ARG", argument, "a number from 0 to 1")
        return f"{sampler} {argument}"

    def target(self, protocol: str) -> str:
        """Return the URL that spans go to, without what may be secret in it."""
        own, shared = self.get(_TRACES_ENDPOINT), self.get(_ENDPOINT)
        for name, url in ((_TRACES_ENDPOINT, own), (_ENDPOINT, shared)):
            if url and not _is_url(url, needs_scheme=protocol != "grpc"):
                raise _wrong(name, _shown(url), "an http:// or https:// URL, such as http://localhost:4318")
        if own:
            return _shown(own)
        base = _shown(shared or DEFAULT_ENDPOINTS[protocol])
        return base if protocol == "grpc" else f"{base.rstrip('/')}/v1/traces"

    def check_all(self) -> None:
        """Raise `ServeError` for a value that the SDK would ignore, or fail at."""
        for name in _WHOLE_NUMBERS:
            self.number(name, 1)
        queue, batch = (
            self.number("OTEL_BSP_MAX_QUEUE_SIZE", _QUEUE),
            self.number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", _BATCH),
        )
        if batch > queue:
            raise _wrong("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", str(batch), f"at most OTEL_BSP_MAX_QUEUE_SIZE, {queue}")
        for name in _SECONDS:
            if not _number(self.get(name, "10")) > 0:
                raise _wrong(name, self.get(name), "a number of seconds above 0")
        for name in _LISTS:
            for number, item in enumerate(filter(None, map(str.strip, self.get(name).split(","))), 1):
                if not item.partition("=")[0].strip() or "=" not in item:
                    detail = "it must be a list such as name=value,other=value"
                    raise ServeError(f"the environment variable {name}: item {number} is not name=value; {detail}")
        self.specific("COMPRESSION", ("none", "gzip", "deflate"), "none")


def _wrong(name: str, value: str, expected: str) -> ServeError:
    return ServeError(f'the environment variable {name} is "{value[:60]}"; it must be {expected}')


def _number(text: str) -> float:
    """Read a number; NaN, which no comparison accepts, for any other text."""
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _is_url(url: str, *, needs_scheme: bool) -> bool:
    try:
        parts = urlsplit(url if needs_scheme or "://" in url else f"http://{url}")
        _ = parts.port  # which raises for a port that is no number
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _shown(url: str) -> str:
    """Return a URL without a password and without a query."""
    bare = url.partition("?")[0]
    scheme, mark, rest = bare.rpartition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{mark}{host.rpartition('@')[2]}{slash}{path}"


def _is_installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ImportError:  # a package above it is not there
        return False
