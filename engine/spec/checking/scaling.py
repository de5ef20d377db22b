"""What several machines ask of a spec: models with deployments of their own, and rates counted in one place."""

from __future__ import annotations

from collections.abc import Iterator

from engine.diagnostics import Diagnostic
from engine.spec.model_records import Scale
from engine.spec.reading.node import Node
from engine.spec.records import Spec


def check_scale(model: Node) -> Iterator[Diagnostic]:
    """Report a `max` below the `min`."""
    least, most = model["scale"]["min"], model["scale"]["max"]
    numbers = [one.plain for one in (least, most) if isinstance(one.plain, int) and not isinstance(one.plain, bool)]
    if len(numbers) == len((least, most)) and numbers[1] < numbers[0]:
        yield most.error(
            f"max: {numbers[1]} is less than min: {numbers[0]}; a model has from min to max replicas, so raise max or "
            "lower min"
        )


def read_scale(node: Node) -> Scale | None:
    """Make the record of a `scale`; None if there is none."""
    if not node.present:
        return None
    said = {key: value.plain for key, _, value in node.pairs()}
    return Scale(node=node, **{"max": max(1, said.get("min", 1)), **said})


def require_countable(spec: Spec) -> None:
    """Raise `SpecError` for a rate that is counted in memory, which the processes of a cluster do not share."""
    limits = [spec.service.rate, *(route.rate for route in spec.routes)]
    limited = next((limit for limit in limits if limit is not None), None)
    if limited is None or spec.service.rates.storage != "memory":
        return
    whole = f"limit: {spec.service.rate}, " if spec.service.rate is not None else ""
    raise limited.error(
        "a cluster has many processes on several machines, each of which would count these requests separately; count "
        f'them in one place, under service: "rate_limit: {{{whole}storage: redis://HOST}}"'
    )
