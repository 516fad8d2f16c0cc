"""The report of a run: what its networks learned and where they fail, as one page."""

import importlib.metadata
import platform
import traceback
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from etils import epath

from stpn_jax import parallel
from stpn_jax.config import StageConfig
from stpn_jax.evaluation import attention_share
from stpn_jax.evaluation.metrics import Metrics
from stpn_jax.experiment import (
    checkpoint_selection,
    collect_outputs,
    evaluate,
    run_dir,
)
from stpn_jax.experiment.collect_outputs import Observed
from stpn_jax.experiment.setup import Experiment
from stpn_jax.figures import gaze
from stpn_jax.input_pipeline import augmentation, snippets
from stpn_jax.report import about, attention, cases, features, page, results, training
from stpn_jax.train import logging
from stpn_jax.utils import errors
from stpn_jax.utils.errors import UsageError

Boxes = Mapping[tuple[str, int], Sequence[attention_share.Box]]
read_boxes = attention_share.read

LOOKS = 14
"""Clips whose attention is drawn."""

_FRAMES = 4  # of a case
_LIBRARIES = (
    "stpn-jax",
    "jax",
    "jaxlib",
    "flax",
    "optax",
    "orbax-checkpoint",
    "grain",
    "numpy",
    "opencv-contrib-python-headless",
    "scikit-learn",
    "matplotlib",
)
_PANELS = {
    "temporal": "temporal stream",
    "attended": "spatial, attended",
    "fused": "pyramid",
}


def attempt(experiment: Experiment, marked: Boxes) -> None:
    """Writes the report of a run whose results are there; a failure is only told.

    That the disk is full passes: the door tells it.
    """
    try:
        write(experiment, marked)
    except Exception as error:
        if errors.is_full_disk(error):
            raise
        traceback.print_exc()
        print(
            f"the report failed ({error}); the results are written, and --mode=report "
            "tries again",
            flush=True,
        )


def write(
    experiment: Experiment, marked: Boxes, out: epath.PathLike = ""
) -> epath.Path:
    """Looks at the test videos with the trained networks and writes the page.

    All hosts take part; the first one draws and writes.

    Args:
        experiment: whose stages are trained and tested.
        marked: boxes by video and frame that the attention is compared with, if any.
        out: folder; by default one in the workdir.

    Returns:
        the path of the page.

    Raises:
        UsageError: there are no results yet.
    """
    run_dir.register(experiment)
    directory = experiment.directory
    if parallel.is_first_host() and not (directory / run_dir.RESULTS_JSON).exists():
        raise UsageError(f"{directory}: no results yet; train, or use --mode=evaluate")
    out = epath.Path(out or directory / run_dir.REPORT)
    chosen = collect_outputs.choose(_labels(experiment), experiment.config.seed)
    videos = experiment.split.test[chosen]
    last = experiment.config.stages[-1]
    seen = {
        stage.name: collect_outputs.observe(experiment, stage, videos)
        for stage in observed_stages(experiment)
    }
    if not parallel.is_first_host():
        return out / page.INDEX
    rows = run_dir.read_results(directory)
    scores = run_dir.read_tested(directory).probabilities
    return page.write(
        out,
        f"Report of {'/'.join(directory.parts[-2:])}",
        _subtitle(experiment, rows),
        [
            *_accuracy(experiment, rows, scores),
            changed_cases(experiment, scores),
            *_attention(experiment, seen[last.name], scores[last.name][chosen], marked),
            _features(experiment, seen, chosen),
            *_training(experiment),
            _about(experiment),
        ],
    )


def observed_stages(experiment: Experiment) -> list[StageConfig]:
    """The last stage, and the spatial stream that Figure 5 begins with."""
    *others, last = experiment.config.stages
    return [*[one for one in others if one.network == "spatial"][:1], last]


def _labels(experiment: Experiment) -> np.ndarray:
    return experiment.dataset.labels[experiment.split.test]


def main_row(experiment: Experiment) -> str:
    """The row that the run is about: the fusion's, or the average of two streams."""
    last = experiment.config.stages[-1]
    return last.name if last.init else baseline(experiment) or last.name


def baseline(experiment: Experiment) -> str:
    """The row of the two-stream baseline, if the run has both streams."""
    blank = {stage.name: np.zeros(0) for stage in experiment.config.stages}
    return next(iter(evaluate.two_stream_averages(experiment.config, blank)), "")


def _subtitle(experiment: Experiment, rows: Mapping[str, Metrics]) -> str:
    config, row = experiment.config, main_row(experiment)
    return (
        f"{config.data.dataset}, split {config.data.split}: "
        f"{len(experiment.dataset.meta.classes)} classes, "
        f"{len(experiment.seen)} training and {len(experiment.split.test)} test "
        f"videos; backbone {config.model.backbone}. Mean class accuracy of the row "
        f"{row}: {100 * rows[row].mean_class_accuracy:.1f} %."
    )


def _accuracy(
    experiment: Experiment,
    rows: Mapping[str, Metrics],
    scores: Mapping[str, np.ndarray],
) -> list[page.Section]:
    labels, row = _labels(experiment), main_row(experiment)
    right = {name: scores[name].argmax(axis=1) == labels for name in rows}
    classes = experiment.dataset.meta.classes
    return [
        results.accuracy(rows, right, labels, baseline(experiment)),
        results.confusions(row, rows[row], classes),
    ]


def changed_cases(
    experiment: Experiment, scores: Mapping[str, np.ndarray]
) -> page.Section:
    """What the main row mends of the baseline, and what it makes worse."""
    row, average = main_row(experiment), baseline(experiment)
    if not average or row == average:
        missing = "no stage fuses two streams" if average else "it has not both streams"
        return page.Section(
            cases.TITLE,
            [f"Left out: the run has nothing to set against a baseline; {missing}."],
        )
    dataset, test = experiment.dataset, experiment.split.test

    def frames(place: int) -> np.ndarray:
        video = int(test[place])
        last = int(dataset.num_frames[video]) - 1
        shares = (np.arange(_FRAMES) + 0.5) / _FRAMES
        return snippets.frames(dataset, video, (shares * last).astype(int).tolist())

    return cases.section(
        cases.Answers(average, scores[average]),
        cases.Answers(row, scores[row]),
        cases.Videos(
            [dataset.names[v] for v in test], _labels(experiment), dataset.meta.classes
        ),
        frames,
    )


def _attention(
    experiment: Experiment, seen: Observed, scores: np.ndarray, marked: Boxes
) -> list[page.Section]:
    if seen.attention is None:
        last = experiment.config.stages[-1].name
        reason = f"Left out: the network of the stage {last} has no attention."
        return [page.Section(attention.TITLE, [reason])]
    labels = experiment.dataset.labels[[moment.video for moment in seen.moments]]
    shown = in_rounds(labels)[:LOOKS]
    answers = scores.argmax(axis=1)
    looks = [_look(experiment, seen, i, answers[i], marked) for i in shown]
    lengths = [np.linalg.norm(look.flow, axis=-1) for look in looks]
    limit = max(float(np.percentile(lengths, 98)), 1.0)
    sections = [attention.section(looks, limit)]
    if marked:
        sections.append(_inside(experiment, seen, marked))
    return sections


def in_rounds(labels: np.ndarray) -> list[int]:
    """Places with the first one of every class first, then the second ones."""
    turns = [int(np.sum(labels[:i] == label)) for i, label in enumerate(labels)]
    return sorted(range(len(labels)), key=lambda i: (turns[i], labels[i]))


def _look(
    experiment: Experiment, seen: Observed, i: int, answer: int, marked: Boxes
) -> gaze.Look:
    dataset, moment = experiment.dataset, seen.moments[i]
    classes, label = dataset.meta.classes, dataset.labels[moment.video]
    wrong = "" if answer == label else f", taken for {classes[answer]}"
    assert seen.attention is not None
    return gaze.Look(
        classes[label] + wrong,
        dataset.names[moment.video],
        snippets.frames(dataset, moment.video, [moment.centre])[0],
        seen.attention[i],
        _crop(experiment),
        snippets.displacement(dataset, moment.video, moment.centre),
        marked.get((dataset.names[moment.video], moment.centre), ()),
    )


def _crop(experiment: Experiment) -> tuple[int, int, int, int]:
    """What the networks saw of a frame, in pixels."""
    side = experiment.config.data.input_size
    (view,) = augmentation.test_views(experiment.dataset.meta.size, side, 1)
    return view[:4]


def _inside(experiment: Experiment, seen: Observed, marked: Boxes) -> page.Section:
    dataset = experiment.dataset
    width, height = dataset.meta.size
    y0, x0, y1, x1 = _crop(experiment)
    crop = (y0 / height, x0 / width, y1 / height, x1 / width)
    assert seen.attention is not None
    measured = []
    for moment, weights in zip(seen.moments, seen.attention, strict=True):
        name, label = dataset.names[moment.video], dataset.labels[moment.video]
        if found := marked.get((name, moment.centre)):
            share = attention_share.share(weights, found, crop)
            group = dataset.groups[moment.video]
            one = attention.Measured(name, dataset.meta.classes[label], group, share)
            measured.append(one)
    if not measured:
        reason = "Left out: the file of boxes has none of the frames looked at."
        return page.Section(attention.INSIDE, [reason])
    return attention.inside(measured)


def _features(
    experiment: Experiment, seen: Mapping[str, Observed], chosen: np.ndarray
) -> page.Section:
    dataset, test = experiment.dataset, experiment.split.test
    last = experiment.config.stages[-1]
    first = next(iter(seen.values())).features
    found = seen[last.name].features
    shown = {"spatial stream": first["spatial"]} if "spatial" in first else {}
    is_fused = "fused" in found or "attended" in found
    shown |= {
        title: found[name]
        for name, title in _PANELS.items()
        if name in found and not (is_fused and name == "temporal")
    }
    return features.section(
        shown,
        [dataset.names[v] for v in test[chosen]],
        _labels(experiment)[chosen],
        dataset.meta.classes,
        experiment.config.seed,
    )


def _training(experiment: Experiment) -> list[page.Section]:
    stages = {
        stage.name: logging.read(experiment.folder(stage))
        for stage in experiment.config.stages
    }
    return [training.learning(stages), training.throughput(stages)]


def _about(experiment: Experiment) -> page.Section:
    weights = {
        stage.name: path.read_text()
        for stage in experiment.config.stages
        if (path := experiment.folder(stage) / run_dir.WEIGHTS).exists()
    }
    config = (experiment.directory / run_dir.CONFIG).read_text()
    stages = {
        f"stage {stage.name}": str(checkpoint_selection.find(experiment, stage))
        for stage in experiment.config.stages
    }
    return about.section(config, weights, stages | versions())


def versions() -> dict[str, str]:
    """Of what the report was made with, and on what."""
    found: dict[str, Any] = {"Python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed as a package"
    devices = f"{jax.device_count()} x {jax.devices()[0].device_kind}"
    return found | {"system": platform.platform(), "devices": devices}
