"""Positions fit where they can, and repeat edges where they cannot."""

import jax
import numpy as np
import pytest

from stpn_jax.input_pipeline import sampling
from stpn_jax.utils import errors

PYRAMID = sampling.SnippetShape(frames=1, paths=3, flow_length=10, tau=(1, 10))


def shape(**changes) -> sampling.SnippetShape:
    fields = {"frames": 1, "paths": 3, "flow_length": 10, "tau": (1, 10)}
    return sampling.SnippetShape(**(fields | changes))


def test_thirty_flows_around_the_centre():
    indices = sampling.flow_indices(20, 10, PYRAMID, 50)
    np.testing.assert_array_equal(indices.ravel(), np.arange(5, 35))


def test_small_tau_overlaps_the_paths():
    indices = sampling.flow_indices(20, 2, PYRAMID, 50)
    np.testing.assert_array_equal(indices[:, 0], [13, 15, 17])
    np.testing.assert_array_equal(np.diff(indices, axis=1), 1)


def test_flows_lie_half_before_and_half_after_the_centre():
    """Flow j leads from frame j to j + 1, so L / 2 flows end at the centre frame."""
    indices = sampling.flow_indices(20, 5, shape(paths=1), 50)
    np.testing.assert_array_equal(indices[0], np.arange(15, 25))


def test_frames_are_the_paths_centres():
    three = shape(frames=3)
    np.testing.assert_array_equal(
        sampling.frame_indices(20, 4, three, 51), [16, 20, 24]
    )
    np.testing.assert_array_equal(sampling.frame_indices(20, 4, PYRAMID, 51), [20])
    assert sampling.frame_indices(20, 4, shape(frames=0), 51).shape == (0,)
    assert sampling.flow_indices(20, 4, shape(paths=0), 50).shape == (0, 10)


@pytest.mark.parametrize("transform", [lambda f: f, jax.jit])
def test_stacks_interleave_x_and_y_and_need_each_flow_once(transform):
    shape = sampling.SnippetShape(frames=1, paths=3, flow_length=2, tau=(1, 1))
    plan = sampling.plan(sampling.SamplingPosition(0, 5, 1), shape, 7)
    assert plan.flows.tolist() == [3, 4, 5]
    x, y = plan.flows, 100 + plan.flows
    codes = np.tile(np.stack([x, y], 1)[..., None, None], (2, 3)).astype(np.uint8)
    found = transform(plan.flow_stacks)(codes)
    assert found.shape == (3, 4, 2, 3)
    expected = [[3, 103, 4, 104], [4, 104, 5, 105], [5, 105, 5, 105]]
    np.testing.assert_array_equal(found[..., 0, 0], expected)


@pytest.mark.parametrize("num_frames", [2, 3, 8, 11, 12, 13, 15, 31, 32, 36, 200])
@pytest.mark.parametrize("frames", [0, 1, 3])
@pytest.mark.parametrize("paths", [0, 1, 2, 3, 5])
def test_every_position_lies_in_the_clip(num_frames, frames, paths):
    if not frames + paths:
        return
    given = shape(frames=frames, paths=paths)
    rng = np.random.default_rng(0)
    for _ in range(30):
        _, centre, tau = sampling.train_position(rng, 4, num_frames, given)
        flows = sampling.flow_indices(centre, tau, given, num_frames - 1)
        images = sampling.frame_indices(centre, tau, given, num_frames)
        assert 0 <= centre < num_frames and 1 <= tau <= 10
        assert flows.shape == (paths, 10) and images.shape == (frames,)
        if num_frames - 1 >= sampling.flows_needed(given, 1):
            np.testing.assert_array_equal(np.diff(flows, axis=1), 1)
            np.testing.assert_array_equal(np.diff(images), tau)
            np.testing.assert_array_equal(np.diff(flows, axis=0), tau)


def test_centres_are_uniform_over_all_that_fit():
    """36 frames, three paths of L = tau = 10, as in the demo: centres 15 to 20."""
    rng = np.random.default_rng(0)
    given = shape(tau=(10, 10))
    assert sampling.centre_range(10, given, 35) == (15, 20)
    sampled = [sampling.train_position(rng, 0, 36, given).centre for _ in range(1200)]
    centres, counts = np.unique(sampled, return_counts=True)
    np.testing.assert_array_equal(centres, np.arange(15, 21))
    assert counts.min() > 150


def test_tau_is_uniform_where_the_clip_is_long():
    rng = np.random.default_rng(0)
    sampled = [sampling.train_position(rng, 0, 300, PYRAMID).tau for _ in range(2000)]
    taus, counts = np.unique(sampled, return_counts=True)
    np.testing.assert_array_equal(taus, np.arange(1, 11))
    assert counts.min() > 140


def test_short_clips_cut_tau_and_then_repeat_the_edge():
    assert sampling.fitting_tau(10, PYRAMID, 14) == 2
    indices = sampling.flow_indices(7, 10, PYRAMID, 14)
    np.testing.assert_array_equal(indices[:, 0], [0, 2, 4])
    assert indices.max() == 13
    single = sampling.flow_indices(2, 10, shape(paths=1), 4)[0]
    np.testing.assert_array_equal(single, [0, 0, 0, 0, 1, 2, 3, 3, 3, 3])


def test_short_clips_are_counted():
    assert sampling.flows_needed(PYRAMID, 10) == 30
    assert sampling.too_short([15, 30, 31, 32], PYRAMID) == 2
    assert sampling.too_short([15, 21], shape(paths=0, frames=3)) == 1


def test_test_positions_are_a_function_of_seed_and_video():
    def positions(seed, video, given=PYRAMID, centres="random"):
        return sampling.test_positions(video, 100, given, 10, centres, seed)

    assert positions(1, 2) == positions(1, 2)
    assert positions(1, 2) != positions(1, 3) and positions(1, 2) != positions(2, 2)
    assert {p.video for p in positions(1, 2)} == {2}
    spatial = positions(1, 2, shape(paths=0, frames=3))
    assert [p.tau for p in spatial] == [p.tau for p in positions(1, 2)]


def test_even_centres_cover_the_clip_in_order():
    fixed = shape(tau=(10, 10))
    positions = sampling.test_positions(0, 101, fixed, 5, "even", 0)
    steps = np.diff([p.centre for p in positions])
    assert steps.min() >= 14 and steps.max() <= 15


@pytest.mark.parametrize(
    "changes", [{"tau": (0, 3)}, {"tau": (4, 3)}, {"flow_length": 0}, {"paths": -1}]
)
def test_impossible_shapes_are_rejected(changes):
    with pytest.raises(errors.UsageError, match="expected"):
        shape(**changes)
