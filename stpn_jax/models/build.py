"""From a config to the network that a stage trains, and its initial variables."""

import functools

import jax
import jax.numpy as jnp
from flax import linen as nn

from stpn_jax.arrays import Batch
from stpn_jax.config import ModelConfig, StageConfig
from stpn_jax.models import backbones, baselines, layers, stpn
from stpn_jax.models.backbones import base
from stpn_jax.utils.errors import UsageError

# A sketch's seed is (sketch_seed, level, pathway): all are distinct.
TEMPORAL_LEVEL, ATTENTION_LEVEL, PYRAMID_LEVEL = 0, 1, 2


def build(
    model: ModelConfig,
    stage: StageConfig,
    *,
    classes: int,
    input_size: int,
    resize: bool,
    flow_input_size: int = 0,
    axis_name: str | None,
    remat: base.Remat = "none",
) -> stpn.Network:
    """The network that a stage trains.

    Args:
        model: backbone and fusion levels.
        stage: which network, with its batch norm and dropout.
        classes: number of classes.
        input_size: side of the network's input, in pixels.
        resize: whether crops differ in size from the input.
        flow_input_size: side of the flow stream's input; 0 for input_size.
        axis_name: mapped axis of the replicas, or None.
        remat: what the backward pass computes again: none, norms or blocks.

    Raises:
        UsageError: no such backbone.
    """
    if model.backbone not in backbones.BACKBONES:
        known = ", ".join(backbones.BACKBONES)
        given = f"model.backbone = {model.backbone!r}"
        raise UsageError(f"{given}: expected one of {known}")
    row = backbones.BACKBONES[model.backbone]
    options = base.BackboneOptions(
        batch_norm=stage.batch_norm,
        axis_name=axis_name if model.sync_batch_norm else None,
        dtype=jnp.dtype(model.dtype),
        remat=remat,
    )
    module = functools.partial(row.module, options=options)
    flow_size = flow_input_size or input_size
    spatial = stpn.SpatialStream(module(), row.rgb, input_size, resize)
    temporal = stpn.TemporalStream(module(), row.flow, flow_size, resize)
    classifier = layers.Classifier(classes, stage.dropout, row.hidden)
    if stage.network == "spatial":
        return baselines.SpatialNetwork(spatial, None, classifier, row.grid)
    seed = model.sketch_seed
    fusion = stpn.TemporalFusion(model.temporal, (seed, TEMPORAL_LEVEL))
    if stage.network == "temporal":
        return baselines.TemporalNetwork(None, temporal, classifier, fusion, row.grid)
    attention = stpn.SpatiotemporalAttention(
        model.attention,
        (seed, ATTENTION_LEVEL),
        source=model.attention_from,
        hidden=model.attention_hidden,
        activation=model.attention_activation,
    )
    both = spatial, temporal, classifier, fusion
    if stage.network == "attended":
        return baselines.AttendedNetwork(*both, attention)
    level = None if model.attention_from == "none" else attention
    top = stpn.PyramidFusion(model.pyramid, (seed, PYRAMID_LEVEL))
    return stpn.SpatiotemporalPyramid(*both, level, top)


def initialise(network: nn.Module, batch: Batch, seed: int) -> dict:
    """Fresh variables by collection: params, batch_stats, sketches.

    The values of the batch do not matter; the sketches have a seed of their own.
    """
    variables = jax.jit(network.init)(jax.random.key(seed), _first(batch))
    return {"batch_stats": {}, "sketches": {}} | dict(variables)


def initialise_levels(network: nn.Module, batch: Batch, seed: int) -> dict:
    """As `initialise`, but with shapes alone for the streams, which are filled later.

    Fresh values of the backbones would take most of the time and be thrown away.
    """
    key = jax.random.key(seed)
    init_streams = functools.partial(network.init_with_output, method="feature_maps")
    maps, shapes = jax.eval_shape(init_streams, key, _first(batch))
    blank = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), maps)
    levels = jax.jit(network.init)(key, blank)
    kinds = {"batch_stats", "sketches", *shapes, *levels}
    return {kind: shapes.get(kind, {}) | levels.get(kind, {}) for kind in kinds}


def _first(batch: Batch) -> Batch:
    return jax.tree.map(lambda x: jnp.asarray(x[:1]), batch)
