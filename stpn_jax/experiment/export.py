"""The last stage's network as an artifact that runs without this package."""

import dataclasses
import hashlib
from typing import Any

import jax
import numpy as np
from etils import epath
from flax import linen as nn

from stpn_jax.config import StageConfig
from stpn_jax.experiment import programs, run_dir, selection, setup
from stpn_jax.experiment.parts import Variables
from stpn_jax.experiment.setup import Experiment
from stpn_jax.export import contract, writer
from stpn_jax.utils.errors import UsageError
from stpn_jax.weights import formats, own, source

SAFETENSORS = "variables.safetensors"

_DATA_TERMS = {
    "ucf101": "the clips come from YouTube and their rights stay with their owners; "
    "the data set's page names no licence",
    "hmdb51": "CC BY 4.0 by the data set's authors; the clips' rights stay with their "
    "owners",
}


def export(experiment: Experiment, out: epath.PathLike) -> list[epath.Path]:
    """Writes the artifact of the last stage, which must be a pyramid with attention.

    Raises:
        UsageError: if it is not, or is not trained yet.
    """
    stage = experiment.config.stages[-1]
    attends = experiment.config.model.attention_from != "none"
    if stage.network != "pyramid" or not attends:
        raise UsageError(
            f"stage {stage.name}: only a pyramid network with attention can be exported"
        )
    setup.claim(experiment)
    variables = selection.restore(experiment, stage)
    settings = preprocessing(experiment, stage)
    return writer.write(
        out,
        programs.programs(networks(experiment, stage), settings),
        variables,
        labels=experiment.dataset.meta.classes,
        preprocessing=settings,
        card=model_card(experiment, stage, variables),
        extras={SAFETENSORS: formats.encode(SAFETENSORS, own.flat(variables))},
    )


def networks(experiment: Experiment, stage: StageConfig) -> dict[str, nn.Module]:
    """The stage's network with each dtype of activations; its variables fit all."""

    def build(dtype: str) -> nn.Module:
        config = experiment.config
        model = dataclasses.replace(config.model, dtype=dtype)  # type: ignore[arg-type]
        changed = dataclasses.replace(config, model=model)
        other = dataclasses.replace(experiment, config=changed)
        return setup.build_network(other, stage, training=False)

    return {dtype: build(dtype) for dtype in contract.DTYPES}


def preprocessing(experiment: Experiment, stage: StageConfig) -> contract.Preprocessing:
    """How predict makes the network's input: as the evaluation does."""
    config, meta = experiment.config, experiment.dataset.meta
    shape = setup.snippet_shape(config, stage, config.evaluation.frames)
    return contract.Preprocessing(
        size=meta.size,
        input_size=config.data.input_size,
        frames=shape.frames,
        paths=shape.paths,
        flow_length=shape.flow_length,
        tau=shape.tau,
        bound=meta.bound,
        flow=meta.flow,
        snippets=config.evaluation.snippets,
        views=config.evaluation.views,
        seed=config.evaluation.seed,
        span=programs.span(shape),
    )


def model_card(
    experiment: Experiment, stage: StageConfig, variables: Variables
) -> dict[str, Any]:
    """What a user of the artifact should know about the network."""
    config = experiment.config
    return {
        "network": stage.network,
        "checkpoint": dataclasses.asdict(selection.find(experiment, stage)),
        "accuracy": _accuracy(experiment),
        "data": {
            "dataset": config.data.dataset,
            "split": config.data.split,
            "training_videos": len(experiment.seen),
            "validation_videos": len(
                np.setdiff1d(experiment.split.validation, experiment.seen)
            ),
            "test_videos": len(experiment.split.test),
            "terms": _DATA_TERMS.get(config.data.dataset, "your own videos"),
        },
        "weights": _weights(experiment),
        "licence": "a network carries the terms of the weights it started from and of "
        "the videos it saw",
        "sketches": _sketches(config.model.sketch_seed, variables),
        "model": dataclasses.asdict(config.model),
        "versions": {"jax": jax.__version__, "numpy": np.__version__},
    }


def _accuracy(experiment: Experiment) -> dict[str, dict[str, float]]:
    """Of every tested row on the held-out videos, from 0 to 1."""
    results = experiment.directory / run_dir.RESULTS_JSON
    rows = run_dir.read_json(results) if results.exists() else {}
    figures = ("mean_class_accuracy", "top1", "top5")
    return {name: {one: row[one] for one in figures} for name, row in rows.items()}


def _weights(experiment: Experiment) -> dict[str, Any]:
    """By stage and part: the file it started from, and that file's terms."""
    found: dict[str, Any] = {}
    for stage in experiment.config.stages:
        path = experiment.folder(stage) / run_dir.WEIGHTS
        for part, note in (run_dir.read_json(path) if path.exists() else {}).items():
            named = note | {"licence": source.licence(note["file"])}
            found.setdefault(stage.name, {})[part] = named
    return found or {"start": "from scratch: no weights of others are in it"}


def _sketches(seed: int, variables: Variables) -> dict[str, Any]:
    """The seed of h and s, and a sum of each that tells whether two networks agree."""
    flat = own.flat({"sketches": variables.get("sketches", {})})
    sums = {
        name.removeprefix("sketches/"): hashlib.sha256(array.tobytes()).hexdigest()[:16]
        for name, array in sorted(flat.items())
    }
    return {"seed": seed, "sha256": sums}
