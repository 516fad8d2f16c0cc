"""Every row of the paper's tables builds, takes a step and makes a forward pass."""

import dataclasses
import functools
import importlib
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from reference import snippets

from configs import demo
from stpn_jax import config as configs
from stpn_jax import parallel
from stpn_jax.models import backbones, build
from stpn_jax.models.backbones import base
from stpn_jax.train import optimizer, step
from studies.tables import PAPER

SIDE, CLASSES = 32, 5
ROWS = {row.variant: row for table in PAPER.values() for row in table.rows}


def row_config(row):
    return configs.from_config_dict(demo.get_config(row))


def network(config, stage):
    return build.build(
        config.model,
        stage,
        classes=CLASSES,
        input_size=SIDE,
        resize=False,
        axis_name=parallel.AXIS,
    )


def quickly_compiled(function):
    """Without the compiler's optimisations, which take most of the time here."""
    options = {"xla_backend_optimization_level": 0}
    return jax.jit(function, compiler_options=options)


def random_variables(net, batch):
    """In place of build.initialise, which takes minutes for all of them."""
    rng = np.random.default_rng(0)

    def fill(path, leaf):
        name = path[-1].key
        if name == "h":
            return rng.integers(0, 64, leaf.shape, leaf.dtype)
        if name == "s":
            return rng.choice([-1, 1], leaf.shape).astype(leaf.dtype)
        if name in ("scale", "var"):
            return np.ones(leaf.shape, leaf.dtype)
        if name in ("bias", "mean"):
            return np.zeros(leaf.shape, leaf.dtype)
        spread = (2 / max(np.prod(leaf.shape[:-1]), 1)) ** 0.5
        return spread * rng.standard_normal(leaf.shape, leaf.dtype)

    shapes = jax.eval_shape(net.init, jax.random.key(0), batch)
    filled = jax.tree_util.tree_map_with_path(fill, dict(shapes))
    return {"batch_stats": {}, "sketches": {}} | filled


@functools.cache
def distinct_stages():
    """Row and stage of every network that is not that of a row before.

    Widths make no other network, nor does a backbone: tests/models/test_census.py has
    all of them in every network.
    """
    found = {}
    for row in ROWS:
        config = row_config(row)
        model = dataclasses.asdict(config.model)
        names = ("temporal", "attention", "pyramid")
        levels = [model[name] | {"width": 0} for name in names]
        is_large = config.model.backbone != "tiny"
        for stage in config.stages:
            key = [is_large, stage.network, stage.paths > 1]
            if not stage.is_single_stream:
                key += [*levels, config.model.attention_from]
            found.setdefault(json.dumps(key), (row, stage.name))
    return tuple(found.values())


class Patches(nn.Module):
    """One layer in the place of the backbone, whose compilation would take longest."""

    options: base.BackboneOptions

    @nn.compact
    def __call__(self, x, train=False):
        return nn.relu(nn.Conv(64, (8, 8), (8, 8), name="conv1")(x))


@pytest.mark.exhaustive
@pytest.mark.parametrize(("row", "name"), distinct_stages())
def test_row_takes_a_step_and_makes_a_forward_pass(row, name, monkeypatch):
    """Large backbones only by their shapes: tests/parity compares their steps."""
    small = dataclasses.replace(backbones.BACKBONES["tiny"], module=Patches)
    monkeypatch.setitem(backbones.BACKBONES, "tiny", small)
    config = row_config(row)
    (stage,) = (stage for stage in config.stages if stage.name == name)
    net = network(config, stage)
    frames = 0 if stage.network == "temporal" else 1
    batch = snippets.batch(frames=frames, paths=stage.paths, side=SIDE, classes=CLASSES)
    if config.model.backbone == "tiny":
        before, trained, metrics, probabilities = updated(
            net, stage, random_variables(net, batch), batch, quickly_compiled
        )
        assert np.isfinite(metrics["loss"])
        moved = jax.tree.map(lambda a, b: bool((a != b).any()), before, trained.params)
        assert moved["classifier"]["dense"]["bias"]
        np.testing.assert_allclose(probabilities.sum(-1), 1, rtol=1e-4)
        return

    def whole():
        variables = {"batch_stats": {}, "sketches": {}} | dict(
            net.init(jax.random.key(0), batch)
        )
        *_, metrics, probabilities = updated(net, stage, variables, batch, lambda f: f)
        return metrics["loss"], probabilities

    loss, probabilities = jax.eval_shape(whole)
    assert loss.shape == () and probabilities.shape[-1] == CLASSES


def updated(net, stage, variables, batch, compiled):
    """Parameters before, the state after an update, metrics and probabilities."""
    transform = optimizer.make(stage, variables["params"])
    factors = optimizer.lr_multipliers(stage.lr_multipliers, variables["params"])
    update = parallel.map_update(step.make_train_step(net, transform, factors, 0))
    forward = parallel.map_forward(step.make_predict_step(net))
    fresh = step.initial_state(variables, transform)
    before = jax.tree.map(jnp.array, fresh.params)
    shards = parallel.shard(batch)
    trained, metrics = compiled(update)(parallel.replicate(fresh), shards)
    return before, trained, metrics, compiled(forward)(trained.variables, shards)


def test_rows_have_the_stages_of_their_results():
    for number, table in PAPER.items():
        for row in table.rows:
            assert number == "extra" or row.variant.startswith(f"table{number}_")
            stages = {stage.name for stage in row_config(row.variant).stages}
            assert {name for result in row.results for name in result} <= stages


@pytest.mark.parametrize("own", ("", "lite0", "lite0_224"))
def test_a_row_follows_the_files_own_variant(own):
    module = importlib.import_module("configs.ucf101")
    joined = f"{own},table6_b" if own else "table6_b"
    config = configs.from_config_dict(module.get_config(joined))
    whole = configs.from_config_dict(module.get_config(own))
    assert config.model.backbone == whole.model.backbone
    assert config.stages[2].steps == whole.stages[2].steps
    assert (config.stages[2].paths, config.model.attention_from) == (1, "none")


def test_vgg_has_the_papers_schedule():
    module = importlib.import_module("configs.ucf101")
    stage = configs.from_config_dict(module.get_config("table7_vgg16")).stages[2]
    assert (stage.learning_rate, stage.steps) == (0.01, 30000)
    assert stage.lr_milestones == (10000, 20000)
