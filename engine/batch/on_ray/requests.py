"""What a command asks of a cluster → inputs, the folder of parts and the reports, found where the machines are."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from engine.batch.inputs import STDIN, FormatName
from engine.batch.on_ray.parts_run import is_part_name
from engine.batch.on_ray.pieces import PartsPlan
from engine.batch.on_ray.placed_inputs import PlacedInput, place_inputs
from engine.batch.on_ray.storage import is_uri, without_secrets
from engine.batch.running.opening import ScoringOptions
from engine.batch.running.scored_model import ScoredModel
from engine.batch.scoring_errors import BatchError
from engine.spec import read_size
from engine.text import join_words, plural

_PART_BYTES = 16 * 1024**2
_LEAST_BYTES, _MOST_BYTES = 1024, 1024**3


class UnclearRequest(BatchError):
    """The options of a command contradict each other, or do not fit a cluster, which is wrong usage."""


@dataclass(frozen=True, slots=True)
class PartsRequest:
    """What a command asks for, as it was written."""

    names: tuple[str, ...]
    output: str
    errors: str | None
    options: ScoringOptions
    part_bytes: int

    @property
    def shown(self) -> str:
        """What messages call the inputs."""
        return without_secrets(self.names[0]) if len(self.names) == 1 else plural(len(self.names), "input")

    def with_blocks(self, size: int) -> PartsRequest:
        """Have the rows scored in blocks of so many bytes."""
        return replace(self, options=replace(self.options, block_bytes=size))


@dataclass(frozen=True, slots=True)
class PlacedRequest:
    """A request whose files were found: the inputs, the parts' format, and a report for each input, if any."""

    request: PartsRequest
    sources: Sequence[PlacedInput]
    written: FormatName
    reports: Mapping[int, str]

    @property
    def shown(self) -> str:
        """What messages call the inputs."""
        return self.sources[0].shown if len(self.sources) == 1 else plural(len(self.sources), "file")

    def with_blocks(self, size: int) -> PlacedRequest:
        """Have the rows scored in blocks of so many bytes."""
        return replace(self, request=self.request.with_blocks(size))

    def plan(self, scored: ScoredModel) -> PartsPlan:
        """Return what all machines know of the run."""
        request = self.request
        return PartsPlan(
            self.sources,
            scored,
            request.options,
            self.written,
            _place(request.output),
            request.part_bytes,
            bool(self.reports),
        )


def read_part_size(text: str | None) -> int:
    """Read how much of an input makes a part; raise `UnclearRequest`."""
    size = _PART_BYTES if text is None else read_size(text)
    if size is None or not _LEAST_BYTES <= size <= _MOST_BYTES:
        raise UnclearRequest(f'--part-size: "{text}" is not a size from 1 KiB to 1 GiB; write it as 16 MiB')
    return size


def find_files(request: PartsRequest, address: str | None) -> PartsRequest | PlacedRequest:
    """Find the files of a request, unless they are those of a cluster that is elsewhere; raise `BatchError`."""
    _require_clear(request, address)
    return request if is_elsewhere(address) else place_request(request)


def is_elsewhere(address: str | None) -> bool:
    """Return whether this machine is none of the cluster's."""
    return address is not None and address.startswith("ray://")


def _require_clear(request: PartsRequest, address: str | None) -> None:
    """Raise `UnclearRequest` for what shows without a look at any file."""
    if not _is_folder(request.output):
        found = "" if request.output == STDIN else f"; {request.output} is the name of a file"
        raise UnclearRequest(f"--on ray writes parts into a folder: -o FOLDER/{found}")
    if STDIN in request.names:
        raise UnclearRequest("--on ray cannot read stdin, which other machines do not see; write it to a file")
    if is_elsewhere(address):
        written = [request.output, *([request.errors] if request.errors is not None else [])]
        for name in (*request.names, *written):
            if not is_uri(name) and not Path(name).is_absolute():
                raise UnclearRequest(
                    f'"{name}" would be looked for on another machine, the head of {address}; write the whole path, '
                    "or a URI"
                )


def place_request(request: PartsRequest) -> PlacedRequest:
    """Find the files of a request; raise `BatchError`, or `UnclearRequest` for files that cannot be."""
    sources = place_inputs(request.names)
    written = _written(sources, request.options)
    reports = _reports(sources, request.errors)
    _require_no_overlap(sources, request.output, reports)
    return PlacedRequest(request, sources, written, reports)


def _written(sources: Sequence[PlacedInput], options: ScoringOptions) -> FormatName:
    kinds = {source.format(options.format): source for source in sources}
    if options.output_format is not None:
        return options.output_format
    if len(kinds) > 1:
        raise UnclearRequest(
            f"the inputs have several formats, {join_words(sorted(kinds), 'and')}; choose the parts' with "
            "--output-format"
        )
    return next(iter(kinds))


def _reports(sources: Sequence[PlacedInput], errors: str | None) -> Mapping[int, str]:
    """Decide where the bad rows of each input are reported, as on one machine."""
    if errors is None:
        return {}
    if len(sources) == 1 and not _is_folder(errors):
        return {0: _place(errors)}
    if not _is_folder(errors):
        raise UnclearRequest(f"there are {len(sources)} inputs; name a folder for their reports: --errors FOLDER/")
    names = [f"{Path(source.name).name}.jsonl" for source in sources]
    for name, count in Counter(names).items():
        if count > 1:
            one, other, *_ = [source.shown for source, its in zip(sources, names, strict=True) if its == name]
            raise UnclearRequest(f"{one} and {other} would both be reported in {errors.rstrip('/')}/{name}")
    return {place: f"{_place(errors).rstrip('/')}/{name}" for place, name in enumerate(names)}


def _require_no_overlap(sources: Sequence[PlacedInput], output: str, reports: Mapping[int, str]) -> None:
    """Raise `UnclearRequest` where a file that is written would take the place of another."""
    folder = _real(_place(output).rstrip("/"))
    places = {_real(source.place): source for source in sources}
    for place, source in places.items():
        parent, _, name = place.rpartition("/")
        if parent == folder and is_part_name(name):
            raise UnclearRequest(f"a part would overwrite the input {source.shown}; name another folder with -o")
    for number, report in reports.items():
        real = _real(report)
        parent, _, name = real.rpartition("/")
        if real in places:
            raise UnclearRequest(
                f"the report on {sources[number].shown} would overwrite the input {places[real].shown}; name another "
                "file or folder with --errors"
            )
        if parent == folder and is_part_name(name):
            raise UnclearRequest(
                f"the report on {sources[number].shown} would have the name of a part; name another folder with "
                "--errors"
            )


def _is_folder(name: str) -> bool:
    return name != STDIN and (name.endswith(("/", os.sep)) or is_uri(name) or Path(name).is_dir())


def _place(name: str) -> str:
    """Return where a file is for any machine."""
    return name if is_uri(name) else str(Path(name).absolute())


def _real(place: str) -> str:
    return without_secrets(place) if is_uri(place) else os.path.realpath(place)
