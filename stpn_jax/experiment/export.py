"""The last stage's network as an artifact that runs without this package."""

import dataclasses
import hashlib
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from etils import epath
from flax import linen as nn
from jaxtyping import UInt8

from stpn_jax.arrays import Array, Batch, Outputs
from stpn_jax.config import Config, StageConfig
from stpn_jax.experiment import checkpoint_selection, run_dir, setup
from stpn_jax.experiment.initialize import Variables
from stpn_jax.experiment.setup import Experiment
from stpn_jax.export import artifact, writer
from stpn_jax.input_pipeline import sampling
from stpn_jax.ops import tvl1
from stpn_jax.utils.errors import UsageError
from stpn_jax.video import flow_codec, imaging
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
    if not is_exportable(experiment.config):
        raise UsageError(
            f"stage {stage.name}: only a pyramid network with attention can be exported"
        )
    run_dir.register(experiment)
    variables = checkpoint_selection.restore(experiment, stage)
    settings = preprocessing(experiment, stage)
    return writer.write(
        out,
        programs(networks(experiment, stage), settings),
        variables,
        labels=experiment.dataset.meta.classes,
        preprocessing=settings,
        card=model_card(experiment, stage, variables),
        extras={SAFETENSORS: formats.encode(SAFETENSORS, own.flat(variables))},
    )


def is_exportable(config: Config) -> bool:
    """Whether the last stage is a pyramid with attention."""
    attends = config.model.attention_from != "none"
    return config.stages[-1].network == "pyramid" and attends


def networks(experiment: Experiment, stage: StageConfig) -> dict[str, nn.Module]:
    """The stage's network with each dtype of activations; its variables fit all."""
    made = {}
    for dtype in artifact.DTYPES:
        changed: dict[str, Any] = {"dtype": dtype}
        model = dataclasses.replace(experiment.config.model, **changed)
        config = dataclasses.replace(experiment.config, model=model)
        other = dataclasses.replace(experiment, config=config)
        made[dtype] = setup.build_network(other, stage, training=False)
    return made


def preprocessing(experiment: Experiment, stage: StageConfig) -> artifact.Preprocessing:
    """From a video to the network's input, as in evaluation."""
    config, meta = experiment.config, experiment.dataset.meta
    shape = setup.snippet_shape(config, stage, config.evaluation.frames)
    return artifact.Preprocessing(
        size=meta.size,
        input_size=config.data.test_side,
        **dataclasses.asdict(shape),
        bound=meta.bound,
        flow=meta.flow,
        snippets=config.evaluation.snippets,
        crops=config.evaluation.crops,
        seed=config.evaluation.seed,
        span=sampling.flows_needed(shape, shape.tau[1]) + 1,
    )


def model_card(
    experiment: Experiment, stage: StageConfig, variables: Variables
) -> dict[str, Any]:
    """Origin, data, accuracy and terms of the network, for users of the artifact."""
    config = experiment.config
    held_out = np.setdiff1d(experiment.split.validation, experiment.seen)
    return {
        "network": stage.network,
        "checkpoint": dataclasses.asdict(checkpoint_selection.find(experiment, stage)),
        "accuracy": _accuracy(experiment),
        "data": {
            "dataset": config.data.dataset,
            "split": config.data.split,
            "training_videos": len(experiment.seen),
            "validation_videos": len(held_out),
            "test_videos": len(experiment.split.test),
            "terms": _DATA_TERMS.get(config.data.dataset, "your own videos"),
        },
        "weights": _weights(experiment),
        "licence": "a network carries the terms of the weights it started from and of "
        "its training videos",
        "sketches": _sketches(config.model.sketch_seed, variables),
        "model": dataclasses.asdict(config.model),
        "versions": {"jax": jax.__version__, "numpy": np.__version__},
    }


def _accuracy(experiment: Experiment) -> dict[str, dict[str, float]]:
    """Scores from 0 to 1 of every tested network on the held-out videos."""
    path = experiment.directory / run_dir.RESULTS_JSON
    results = run_dir.read_json(path) if path.exists() else {}
    kept = ("mean_class_accuracy", "top1", "top5")
    return {name: {k: scores[k] for k in kept} for name, scores in results.items()}


def _weights(experiment: Experiment) -> dict[str, Any]:
    """By stage and component: the file it started from, and that file's terms."""
    found: dict[str, Any] = {}
    for stage in experiment.config.stages:
        path = experiment.folder(stage) / run_dir.WEIGHTS
        loaded = run_dir.read_json(path) if path.exists() else {}
        for component, origin in loaded.items():
            terms = {"licence": source.licence(origin["file"])}
            found.setdefault(stage.name, {})[component] = origin | terms
    return found or {"start": "from scratch: it contains no weights of others"}


def _sketches(seed: int, variables: Variables) -> dict[str, Any]:
    """The seed of h and s, and the digest of each to compare two networks."""
    flat = own.flat({"sketches": variables.get("sketches", {})})
    sums = {
        name.removeprefix("sketches/"): hashlib.sha256(array.tobytes()).hexdigest()[:16]
        for name, array in sorted(flat.items())
    }
    return {"seed": seed, "sha256": sums}


def programs(
    networks: Mapping[str, nn.Module], preprocessing: artifact.Preprocessing
) -> dict[str, dict[str, artifact.Program]]:
    """Every program of an artifact, by kind and dtype; the networks have attention."""
    snippets = {name: from_snippets(network) for name, network in networks.items()}
    frames = {name: from_frames(one, preprocessing) for name, one in snippets.items()}
    return {"snippets": snippets, "frames": frames}


def from_snippets(network: nn.Module) -> artifact.Program:
    """(variables, rgb, flow, box, flip) -> probabilities, attention, features."""

    def program(
        variables: Any, rgb: Array, flow: Array, box: Array, flip: Array
    ) -> tuple[Array, Array, artifact.Features]:
        unused = jnp.zeros(flip.shape, jnp.int32)
        batch = Batch(rgb, flow, box, flip, unused, unused > 0, unused)
        outputs: Outputs = network.apply(variables, batch)  # type: ignore[assignment]
        assert outputs.attention is not None
        features = {k: x.astype(jnp.float32) for k, x in outputs.features.items()}
        probabilities = jax.nn.softmax(outputs.logits.astype(jnp.float32))
        return probabilities, outputs.attention.astype(jnp.float32), features

    return program


def from_frames(
    snippets: artifact.Program, settings: artifact.Preprocessing
) -> artifact.Program:
    """(variables, frames) -> the same, by TV-L1 and the central crop.

    The frames are those of one snippet with the largest tau.
    """
    tau, length = settings.tau[1], settings.flow_length
    shape = sampling.SnippetShape(settings.frames, settings.paths, length, (tau, tau))
    centre, _ = sampling.centre_range(tau, shape, settings.span - 1)
    position = sampling.SamplingPosition(0, centre, tau)
    plan = sampling.plan(position, shape, settings.span)
    side = settings.input_size
    ((y0, x0, y1, x1, _),) = sampling.test_crops(settings.size, side, count=1)
    parameters = tvl1.Parameters(**settings.flow)

    def assemble(grey: UInt8[Array, "t y x"]) -> UInt8[Array, "k c y x"]:
        flow = _solve(grey[plan.flows], grey[plan.flows + 1], parameters)
        codes = flow_codec.quantise(flow, settings.bound)
        return plan.flow_stacks(jnp.moveaxis(codes, -1, 1))

    def program(
        variables: Any, frames: UInt8[Array, "b t 3 y x"]
    ) -> tuple[Array, Array, artifact.Features]:
        grey = imaging.grey(jnp.moveaxis(frames, 2, -1))
        motion = jax.lax.map(assemble, grey)[..., y0:y1, x0:x1]
        rgb = frames[:, plan.frames, :, y0:y1, x0:x1]
        b = rgb.shape[0]
        box = jnp.broadcast_to(jnp.array([0, 0, side, side], jnp.float32), (b, 4))
        return snippets(variables, rgb, motion, box, jnp.zeros(b, bool))

    return program


def _solve(first: Array, second: Array, parameters: tvl1.Parameters) -> jax.Array:
    """Flow of pairs of frames: one after the other on a CPU, else side by side."""
    return jax.lax.platform_dependent(
        first,
        second,
        cpu=lambda one, other: tvl1.flow(one, other, parameters, 1),
        default=lambda one, other: tvl1.flow(one, other, parameters, len(one)),
    )
