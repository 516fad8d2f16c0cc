"""Which videos the outputs are collected of: all, or some of some classes."""

import numpy as np

from stpn_jax.experiment import collect_outputs


def test_few_videos_of_few_classes_are_all_chosen():
    labels = np.arange(182) % 13
    assert collect_outputs.choose(labels, seed=0).tolist() == list(range(182))


def test_many_classes_are_sampled_down_to_the_papers_figure():
    labels = np.repeat(np.arange(101), 37)
    chosen = collect_outputs.choose(labels, seed=0)
    assert len(np.unique(labels[chosen])) == collect_outputs.CHOSEN_CLASSES
    assert len(chosen) == len(set(chosen.tolist())) == collect_outputs.MOST_VIDEOS
    assert chosen.tolist() == sorted(chosen.tolist())
    np.testing.assert_array_equal(chosen, collect_outputs.choose(labels, seed=0))
    assert collect_outputs.choose(labels, seed=1).tolist() != chosen.tolist()
