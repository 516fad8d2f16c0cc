"""Batches of snippets from the records: which, in what order, read by Grain's threads.

The plan of a training step (videos, positions, crops) is a pure function of the seed
and the step: a run resumes from its step number alone, and several hosts together read
what one would. Each element that Grain maps is a whole batch, so that no samples are
copied to stack them.
"""

from collections.abc import Callable, Iterator

import grain
import numpy as np
from jaxtyping import Int

from stpn_jax import arrays, config
from stpn_jax.input_pipeline import augmentation, sampling, snippets
from stpn_jax.records import records
from stpn_jax.utils import errors


def train_plan(
    dataset: records.Dataset,
    videos: Int[np.ndarray, "n"],
    settings: config.DataConfig,
    shape: sampling.SnippetShape,
    batch: int,
    seed: int,
    step: int,
) -> list[snippets.Snippet]:
    """The snippets of one training step, over all hosts.

    Slot i of step s is number s * batch + i of the shuffled walk through the videos;
    (seed, step, slot) seeds its position and its crop.

    Raises:
        UsageError: there are no videos, or crops do not fit into the frames.
    """
    if not len(videos):
        raise errors.UsageError(
            f"{settings.data_dir}: split {settings.split} has no training clips"
        )
    walk = shuffled_walk(seed, step * batch + np.arange(batch), len(videos))
    plan = []
    for slot, video in enumerate(videos[walk].tolist()):
        rng = np.random.default_rng([seed, 1, step, slot])
        frames = int(dataset.num_frames[video])
        position = sampling.train_position(rng, video, frames, shape)
        crop = augmentation.train_crop(rng, dataset.meta.size, settings)
        plan.append(snippets.Snippet(position, (crop,)))
    return plan


def shuffled_walk(
    seed: int, positions: Int[np.ndarray, "n"], count: int
) -> Int[np.ndarray, "n"]:
    """Items at these positions of an endless walk through `count` items.

    Each round is one epoch, shuffled by (seed, epoch).
    """
    epochs, places = np.divmod(positions, count)
    orders = {
        epoch: np.random.default_rng([seed, 0, epoch]).permutation(count)
        for epoch in np.unique(epochs).tolist()
    }
    return np.array([orders[e][p] for e, p in zip(epochs, places, strict=True)])


def test_plan(
    dataset: records.Dataset,
    videos: Int[np.ndarray, "n"],
    settings: config.DataConfig,
    shape: sampling.SnippetShape,
    evaluation: config.EvaluationConfig,
) -> list[snippets.Snippet]:
    """Every snippet of every video with all its crops, over all hosts.

    Raises:
        UsageError: the crop does not fit into the records' frames.
    """
    size = dataset.meta.size
    crops = augmentation.test_crops(size, settings.input_size, evaluation.views)
    return [
        snippets.Snippet(position, tuple(crops))
        for video in map(int, videos)
        for position in sampling.test_positions(
            video,
            int(dataset.num_frames[video]),
            shape,
            evaluation.snippets,
            evaluation.centres,
            evaluation.seed,
        )
    ]


def train_batches(
    dataset: records.Dataset,
    videos: Int[np.ndarray, "n"],
    settings: config.DataConfig,
    shape: sampling.SnippetShape,
    batch: int,
    seed: int,
    start_step: int,
    stop_step: int,
    host: int = 0,
    hosts: int = 1,
) -> Iterator[arrays.Batch]:
    """This host's share of the batches of steps start_step .. stop_step - 1.

    Args:
        dataset: open records.
        videos: indices of the training clips.
        settings: crops, threads and prefetching.
        shape: of a snippet.
        batch: snippets a step, over all hosts.
        seed: with start_step, all that is needed to resume.
        start_step: first step.
        stop_step: step to stop before.
        host: number of this host's share.
        hosts: number of shares; must divide batch.
    """
    share = _share(batch, host, hosts)
    side = max(augmentation.crop_sides(settings), default=0)

    def load(step: int) -> arrays.Batch:
        plan = train_plan(dataset, videos, settings, shape, batch, seed, step)
        return snippets.assemble(dataset, plan[share], len(plan[share]), 1, shape, side)

    return _read(load, range(start_step, stop_step), settings)


def test_batches(
    dataset: records.Dataset,
    videos: Int[np.ndarray, "n"],
    settings: config.DataConfig,
    shape: sampling.SnippetShape,
    evaluation: config.EvaluationConfig,
    host: int = 0,
    hosts: int = 1,
) -> Iterator[arrays.Batch]:
    """This host's share of the test batches: every snippet of every video once.

    A batch has evaluation.batch snippets over all hosts, the crops of a snippet side by
    side; the last one is padded.
    """
    plan = test_plan(dataset, videos, settings, shape, evaluation)
    share = _share(evaluation.batch, host, hosts)
    count = share.stop - share.start

    def load(index: int) -> arrays.Batch:
        first = index * evaluation.batch
        part = plan[first + share.start : first + share.stop]
        side = settings.input_size
        return snippets.assemble(dataset, part, count, evaluation.views, shape, side)

    batches = test_batch_count(len(videos), evaluation)
    return _read(load, range(batches), settings)


def test_batch_count(videos: int, evaluation: config.EvaluationConfig) -> int:
    """Number of batches that `test_batches` yields on every host."""
    return -(-videos * evaluation.snippets // evaluation.batch)


def _share(batch: int, host: int, hosts: int) -> slice:
    if batch < 1 or batch % hosts:
        raise errors.UsageError(
            f"batch = {batch} on {hosts} hosts: expected a multiple of {hosts}"
        )
    count = batch // hosts
    return slice(host * count, (host + 1) * count)


def _read(
    load: Callable[[int], arrays.Batch], indices: range, settings: config.DataConfig
) -> Iterator[arrays.Batch]:
    source = grain.MapDataset.range(indices.start, indices.stop).map(load)
    options = grain.ReadOptions(
        num_threads=settings.threads,
        prefetch_buffer_size=max(settings.prefetch, settings.threads),
    )
    return iter(source.to_iter_dataset(options)) if indices else iter(())
