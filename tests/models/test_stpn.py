"""The network against its description in sections 3.2 to 3.4, composed by hand."""

import dataclasses
import functools

import jax
import numpy as np
import pytest
from reference import snippets

from configs import demo
from stpn_jax import config as configs
from stpn_jax.models import build
from stpn_jax.utils.errors import UsageError

pytestmark = pytest.mark.usefixtures("quickly_compiled")

CONFIG = configs.from_config_dict(demo.get_config())
STAGES = {stage.name: stage for stage in CONFIG.stages}


def batch(b=2, f=1, k=3):
    return snippets.batch(samples=b, frames=f, paths=k)


def network(name, model=CONFIG.model, flow_input_size=0, **changes):
    return build.build(
        model,
        dataclasses.replace(STAGES[name], **changes),
        classes=5,
        input_size=32,
        flow_input_size=flow_input_size,
        resize=flow_input_size > 0,
        axis_name=None,
    )


@pytest.fixture(scope="module")
def pyramid():
    net = network("pyramid")
    return jax.jit(net.apply), build.initialise(net, batch(), 0)


def test_outputs_have_the_contracts_shapes(pyramid):
    apply, variables = pyramid
    outputs = apply(variables, batch())
    assert outputs.logits.shape == (2, 5)
    assert outputs.attention.shape == (2, 4, 4)
    np.testing.assert_allclose(outputs.attention.sum(axis=(1, 2)), 1, rtol=1e-5)
    widths = {name: x.shape[1] for name, x in outputs.features.items()}
    assert widths == {"spatial": 64, "temporal": 256, "attended": 64, "fused": 1024}


def test_the_motion_of_a_smaller_input_is_spread_over_the_images_grid():
    net = network("pyramid", flow_input_size=16)
    variables = build.initialise(net, batch(), 0)
    to_maps = functools.partial(net.apply, method="feature_maps")
    maps, apply = jax.jit(to_maps)(variables, batch()), jax.jit(net.apply)
    assert maps.images.shape[2:4] == (4, 4) and maps.paths.shape[2:4] == (2, 2)
    outputs = apply(variables, maps)
    assert outputs.attention.shape == (2, 4, 4)
    even = dataclasses.replace(maps, paths=maps.paths.mean(axis=(2, 3), keepdims=True))
    spread = dataclasses.replace(
        even, paths=np.broadcast_to(even.paths, (2, 3, 4, 4, 64))
    )
    one, other = (apply(variables, x) for x in (even, spread))
    np.testing.assert_allclose(one.attention, other.attention, rtol=1e-4)
    assert not np.allclose(outputs.attention, one.attention, rtol=1e-3)


def test_sketches_of_all_levels_are_distinct_and_never_trained(pyramid):
    _, variables = pyramid
    sketches = variables["sketches"]
    hs = [
        np.asarray(pathway["h"])
        for level in ("temporal_fusion", "attention", "pyramid_fusion")
        for pathway in jax.tree.leaves(
            sketches[level], is_leaf=lambda x: isinstance(x, dict) and "h" in x
        )
    ]
    assert len(hs) == 3 + 2 + 3
    for i, one in enumerate(hs):
        for other in hs[i + 1 :]:
            assert len(one) != len(other) or np.mean(one == other) < 0.1
    assert "sketches" not in variables["params"]


def test_paths_share_their_weights(pyramid):
    """Three equal paths fuse as one vector thrice: the maps must be the same."""
    apply, variables = pyramid
    one = batch(k=1)
    same = dataclasses.replace(batch(), flow=np.repeat(one.flow, 3, axis=1))
    # By STCB of equal maps, the order of paths cannot matter.
    a = apply(variables, same).features["temporal"]
    swapped = dataclasses.replace(same, flow=same.flow[:, ::-1])
    np.testing.assert_allclose(apply(variables, swapped).features["temporal"], a)
    assert list(variables["params"]["temporal"]) == ["backbone"]


def test_each_frame_is_attended_and_the_vectors_averaged(pyramid):
    apply, variables = pyramid
    three = batch(f=3)
    whole = apply(variables, three)
    singles = [
        apply(variables, dataclasses.replace(three, rgb=three.rgb[:, i : i + 1]))
        for i in range(3)
    ]
    for name in ("spatial", "attended"):
        mean = np.mean([one.features[name] for one in singles], axis=0)
        np.testing.assert_allclose(whole.features[name], mean, atol=1e-4)
    mean = np.mean([one.attention for one in singles], axis=0)
    np.testing.assert_allclose(whole.attention, mean, atol=1e-5)


def test_flipping_equals_flipped_pixels_with_reversed_x(pyramid):
    apply, variables = pyramid
    plain = dataclasses.replace(batch(), flip=np.ones(2, bool))
    flow = plain.flow[..., ::-1].copy()
    flow[:, :, ::2] = 255 - flow[:, :, ::2]
    by_hand = dataclasses.replace(
        plain, flip=np.zeros(2, bool), rgb=plain.rgb[..., ::-1].copy(), flow=flow
    )
    np.testing.assert_allclose(
        apply(variables, plain).logits, apply(variables, by_hand).logits, atol=1e-4
    )


def test_dropout_depends_on_the_samples_key_only(pyramid):
    apply, variables = pyramid
    keys = jax.random.split(jax.random.key(0), 2)
    whole = apply(variables, batch(), keys).logits
    second = jax.tree.map(lambda x: x[1:], batch())
    alone = apply(variables, second, keys[1:]).logits
    np.testing.assert_allclose(whole[1:], alone, atol=1e-4)
    assert not np.allclose(whole, apply(variables, batch()).logits, atol=1e-3)


def test_unknown_names_list_the_known_ones():
    for change in ({"backbone": "alexnet"}, {}):
        model = dataclasses.replace(CONFIG.model, **change)
        if not change:
            wrong = dataclasses.replace(CONFIG.model.pyramid, kind="average")
            model = dataclasses.replace(CONFIG.model, pyramid=wrong)
        with pytest.raises(UsageError, match="expected one of"):
            build.initialise(network("pyramid", model), batch(), 0)


@pytest.mark.parametrize("name", ["pyramid", "temporal", "spatial"])
def test_levels_start_alike_with_and_without_their_streams(name):
    stage = STAGES[name]
    one = batch(f=0 if name == "temporal" else 1, k=stage.paths)
    net = network(name)
    whole = build.initialise(net, one, 3)
    levels = build.initialise_levels(net, one, 3)
    assert jax.tree.structure(whole) == jax.tree.structure(levels)
    for kind, tree in levels.items():
        for part, leaves in tree.items():
            for value, wanted in zip(
                jax.tree.leaves(leaves), jax.tree.leaves(whole[kind][part]), strict=True
            ):
                assert (value.shape, value.dtype) == (wanted.shape, wanted.dtype)
                if part not in ("spatial", "temporal"):
                    np.testing.assert_array_equal(value, wanted)
                else:
                    assert isinstance(value, jax.ShapeDtypeStruct)
