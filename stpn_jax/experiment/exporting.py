"""The last stage's network as an artifact that runs without this package."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from etils import epath

from stpn_jax.arrays import Array, Batch, Outputs
from stpn_jax.config import StageConfig
from stpn_jax.errors import UsageError
from stpn_jax.experiment import selection, setup, workdir
from stpn_jax.experiment.setup import Experiment
from stpn_jax.export import artifact


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
    network = setup.build_network(experiment, stage, training=False)

    def program(
        variables: Any, rgb: Array, flow: Array, box: Array, flip: Array
    ) -> tuple[Array, Array]:
        unused = jnp.zeros(flip.shape, jnp.int32)
        batch = Batch(rgb, flow, box, flip, unused, unused > 0, unused)
        outputs: Outputs = network.apply(variables, batch)  # type: ignore[assignment]
        assert outputs.attention is not None  # It attends.
        return jax.nn.softmax(outputs.logits), outputs.attention

    return artifact.write(
        out,
        program,
        selection.restore(experiment, stage),
        labels=experiment.dataset.meta.classes,
        preprocessing=preprocessing(experiment, stage),
        card=model_card(experiment, stage),
    )


def preprocessing(experiment: Experiment, stage: StageConfig) -> artifact.Preprocessing:
    """How predict makes the network's input: as the evaluation does."""
    config, meta = experiment.config, experiment.dataset.meta
    shape = setup.snippet_shape(config, stage, config.evaluation.frames)
    return artifact.Preprocessing(
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
    )


def model_card(experiment: Experiment, stage: StageConfig) -> dict[str, Any]:
    """What a user of the artifact should know about the network."""
    scores = experiment.directory / workdir.RESULTS_JSON
    rows = workdir.read_json(scores) if scores.exists() else {}
    return {
        "network": stage.network,
        "model": dataclasses.asdict(experiment.config.model),
        "dataset": experiment.config.data.dataset,
        "split": experiment.config.data.split,
        "checkpoint": dataclasses.asdict(selection.find(experiment, stage)),
        "weights": {
            one.name: workdir.read_json(path)
            for one in experiment.config.stages
            if (path := experiment.folder(one) / workdir.WEIGHTS).exists()
        },
        "mean_class_accuracy": {
            name: row["mean_class_accuracy"] for name, row in rows.items()
        },
    }
