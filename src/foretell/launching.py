"""Launching: several specs fitted at once, each as a task of Ray that writes a folder of its own."""

import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from foretell.border import dump_spec, load_spec
from foretell.errors import ForetellError, SpecError
from foretell.spec import Spec
from foretell.telling import Tell, quiet


@dataclass(frozen=True, slots=True, kw_only=True)
class Launched:
    """What became of one spec."""

    folder: Path
    model: str = ""
    """SHA-256 of the model's manifest; empty when the fit failed."""
    leaderboard: str = ""
    fault: str = ""
    """Why it failed, and what to do; empty when it did not."""


def launch(specs: Sequence[Spec], *, address: str = "", tell: Tell = quiet) -> Iterator[Launched]:
    """Fit each spec as a task of Ray; yield what became of them, in the order in which they end.

    A task takes as many processors as its `train.threads`. What is interrupted goes on from its checkpoints
    when it is launched again. On a cluster, sources and folders must lie where all machines see them.

    Args:
        address: of a running cluster (`auto` finds one); processors of this machine if empty.
        tell: told how many specs run.

    Raises:
        SpecError: when Ray is not installed, or two specs would write to one folder.
    """
    placed = [_absolute(spec) for spec in specs]
    twice = [folder for folder, count in Counter(spec.out for spec in placed).items() if count > 1]
    if twice:
        raise SpecError(f"several specs write to '{twice[0]}'", "give each spec an `out` of its own")
    ray = _ray()
    try:
        ray.init(address=address or None, include_dashboard=False, logging_level="ERROR")
    except ConnectionError as error:
        raise SpecError(
            f"there is no Ray cluster at '{address}'", "start one, or leave --address out"
        ) from error
    try:
        tell(f"{len(placed)} specs on {ray.cluster_resources().get('CPU', 0):g} processors")
        most = max(node["Resources"].get("CPU", 0) for node in ray.nodes() if node["Alive"])
        for spec in placed:
            if spec.train.threads > most:
                raise SpecError(
                    f"'{spec.out}' asks for {spec.train.threads} threads, and machines have {most:g} at most",
                    "lower `train.threads`",
                )
        task = ray.remote(max_retries=0)(_fitted)
        left = {
            task.options(num_cpus=spec.train.threads or 1, name=Path(spec.out).name).remote(
                dump_spec(spec)
            ): spec
            for spec in placed
        }
        while left:
            (ended,), _ = ray.wait(list(left))
            spec = left.pop(ended)
            yield _outcome(ray, ended, Path(spec.out))
    finally:
        ray.shutdown()  # ends what still runs


def _ray() -> Any:
    # A launcher must not tell others what is launched.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_DEDUP_LOGS", "0")
    os.environ.setdefault("RAY_COLOR_PREFIX", "0")
    try:
        return import_module("ray")
    except ImportError as error:
        raise SpecError("Ray is not installed", "pip install 'foretell[ray]'") from error


def _absolute(spec: Spec) -> Spec:
    """Return the spec with paths that hold wherever a task runs."""
    source = spec.data.source if "://" in spec.data.source else str(Path(spec.data.source).absolute())
    data = replace(spec.data, source=source)
    return replace(spec, data=data, out=str(Path(spec.out).absolute()))


def _outcome(ray: Any, ended: Any, folder: Path) -> Launched:
    try:
        model, leaderboard, fault = ray.get(ended)
    except ray.exceptions.RayError as error:  # the process died: of memory, say
        return Launched(folder=folder, fault=str(error).strip().splitlines()[-1])
    return Launched(folder=folder, model=model, leaderboard=leaderboard, fault=fault)


def _fitted(text: str) -> tuple[str, str, str]:
    """Fit a spec in a task; return the model's digest, the leaderboard, and what went wrong."""
    import yaml

    from foretell import terminal, workflow

    try:
        fitted = workflow.fit(load_spec(yaml.safe_load(text)), tell=lambda line: print(line, file=sys.stderr))  # noqa: T201
    except ForetellError as error:
        return "", "", str(error)
    return fitted.digest, terminal.leaderboard(fitted), ""
