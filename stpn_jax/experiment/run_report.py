"""Writes the report of a run: what its networks learned and where they fail."""

import importlib.metadata
import platform
from collections.abc import Mapping, Sequence

import jax
import numpy as np
from etils import epath

from stpn_jax import parallel
from stpn_jax.config import StageConfig
from stpn_jax.evaluation import attention_share
from stpn_jax.evaluation.attention_share import Boxes
from stpn_jax.evaluation.metrics import Metrics
from stpn_jax.experiment import checkpoint_selection, collect_outputs, evaluate, run_dir
from stpn_jax.experiment.collect_outputs import Collected
from stpn_jax.experiment.setup import Experiment
from stpn_jax.figures import attention_figure
from stpn_jax.input_pipeline import batching, sampling
from stpn_jax.records import records
from stpn_jax.report import (
    attention_section,
    learning_section,
    page,
    prediction_section,
)
from stpn_jax.train import logging
from stpn_jax.utils.errors import UsageError

_ATTENTION_CLIPS = 14
_CASE_FRAMES = 4
_LIBRARIES = ["stpn-jax", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "grain"]
_LIBRARIES += ["numpy", "opencv-contrib-python-headless", "scikit-learn", "matplotlib"]
_PANELS = {
    "temporal": "temporal stream",
    "attended": "spatial, attended",
    "fused": "pyramid",
}
"""Feature -> title of its t-SNE panel."""


def write(experiment: Experiment, boxes: Boxes, out: epath.PathLike = "") -> epath.Path:
    """Runs the trained networks on some test videos, writes the page, returns its path.

    All hosts take part; the first one draws and writes.

    Args:
        experiment: whose stages are trained and tested.
        boxes: by video and frame, to compare the attention with; may be empty.
        out: folder; by default one in the workdir.

    Raises:
        UsageError: there are no results yet.
    """
    run_dir.register(experiment)
    directory = experiment.directory
    if parallel.is_first_host() and not (directory / run_dir.RESULTS_JSON).exists():
        raise UsageError(f"{directory}: no results yet; train, or use stpn evaluate")
    out = epath.Path(out or directory / run_dir.REPORT)
    chosen = collect_outputs.choose(_labels(experiment), experiment.config.seed)
    videos = experiment.split.test[chosen]
    outputs = [
        collect_outputs.collect(experiment, stage, videos)
        for stage in stages_to_run(experiment)
    ]
    if not parallel.is_first_host():
        return out / page.INDEX
    rows = run_dir.read_results(directory)
    scores = run_dir.read_tested(directory).probabilities
    stages = experiment.config.stages
    predicted = scores[stages[-1].name][chosen].argmax(axis=1)
    logged = {stage.name: logging.read(experiment.folder(stage)) for stage in stages}
    sections = [
        *_accuracy(experiment, rows, scores),
        cases(experiment, scores),
        *_attention(experiment, outputs[-1], predicted, boxes),
        _features(experiment, outputs, chosen),
        learning_section.curves(logged),
        learning_section.throughput(logged),
        _versions(experiment),
    ]
    title = f"Report of {'/'.join(directory.parts[-2:])}"
    return page.write(out, title, _subtitle(experiment, rows), sections)


def stages_to_run(experiment: Experiment) -> list[StageConfig]:
    """The last stage, and before it the spatial stream that Figure 5 begins with."""
    *others, last = experiment.config.stages
    return [*[one for one in others if one.network == "spatial"][:1], last]


def _labels(experiment: Experiment) -> np.ndarray:
    return experiment.dataset.labels[experiment.split.test]


def main_row(experiment: Experiment) -> str:
    """The row that the run is about: the fusion's, or the average of two streams."""
    last = experiment.config.stages[-1]
    return last.name if last.init else baseline(experiment) or last.name


def baseline(experiment: Experiment) -> str:
    """The row of the two-stream baseline; empty unless the run has both streams."""
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
    counts, classes = np.array(rows[row].confusion), experiment.dataset.meta.classes
    return [
        prediction_section.accuracy(rows, right, labels, baseline(experiment)),
        prediction_section.confusions(row, counts, classes),
    ]


def cases(experiment: Experiment, scores: Mapping[str, np.ndarray]) -> page.Section:
    """What the main row gets right that the baseline does not, and the reverse."""
    row, average = main_row(experiment), baseline(experiment)
    if not average or row == average:
        missing = "no stage fuses two streams" if average else "it has not both streams"
        reason = f"Left out: the run has no baseline to compare with; {missing}."
        return page.Section(prediction_section.CASES, [reason])
    dataset, test = experiment.dataset, experiment.split.test
    names = [dataset.names[video] for video in test]
    labels, classes = _labels(experiment), dataset.meta.classes

    def frames(place: int) -> np.ndarray:
        video = int(test[place])
        last = int(dataset.num_frames[video]) - 1
        shares = (np.arange(_CASE_FRAMES) + 0.5) / _CASE_FRAMES
        indices = (shares * last).astype(int)
        return np.stack(list(batching.frames(dataset, video, indices)))

    videos = prediction_section.Videos(names, labels, classes, frames)
    pair = {average: scores[average], row: scores[row]}
    return prediction_section.cases(pair, videos)


def _attention(
    experiment: Experiment,
    outputs: Collected,
    predicted: np.ndarray,
    boxes: Boxes,
) -> list[page.Section]:
    if outputs.attention is None:
        last = experiment.config.stages[-1].name
        reason = f"Left out: the network of the stage {last} has no attention."
        return [page.Section(attention_section.CLIPS, [reason])]
    dataset, side = experiment.dataset, experiment.config.data.test_side
    (crop,) = sampling.test_crops(dataset.meta.size, side, 1)
    found = list(zip(outputs.positions, outputs.attention, strict=True))
    clips = []
    for i in in_rounds(dataset.labels[[one.video for one in outputs.positions]]):
        ((video, centre, *_), weights), guess = found[i], int(predicted[i])
        name, label = dataset.names[video], dataset.labels[video]
        taken = "" if guess == label else f", taken for {dataset.meta.classes[guess]}"
        title = dataset.meta.classes[label] + taken
        (frame,) = batching.frames(dataset, video, np.array([centre]))
        flow = batching.displacement(dataset, video, centre)
        marked = boxes.get((name, centre), ())
        clips.append(
            attention_figure.Clip(title, name, frame, weights, crop[:4], flow, marked)
        )
    lengths = [np.linalg.norm(clip.flow, axis=-1) for clip in clips]
    limit = max(float(np.percentile(lengths, 98)), 1.0)
    sections = [attention_section.clips(clips, limit)]
    return [*sections, _inside(dataset, found, crop[:4], boxes)] if boxes else sections


def in_rounds(labels: np.ndarray) -> list[int]:
    """Indices of clips to show: one of every class first, then the second ones."""
    turns = prediction_section.earlier(labels)
    order = sorted(range(len(labels)), key=lambda i: (turns[i], labels[i]))
    return order[:_ATTENTION_CLIPS]


def _inside(
    dataset: records.Dataset,
    found: Sequence[tuple[sampling.SamplingPosition, np.ndarray]],
    crop: tuple[int, int, int, int],
    boxes: Boxes,
) -> page.Section:
    width, height = dataset.meta.size
    y0, x0, y1, x1 = crop
    seen = (y0 / height, x0 / width, y1 / height, x1 / width)
    measured = []
    for (video, centre, *_), weights in found:
        name, group = dataset.names[video], dataset.groups[video]
        if inside := boxes.get((name, centre)):
            label = dataset.meta.classes[dataset.labels[video]]
            share = attention_share.share(weights, inside, seen)
            measured.append(attention_section.Measured(name, label, group, share))
    if not measured:
        reason = "Left out: the box file has no box in the frames that were used."
        return page.Section(attention_section.INSIDE, [reason])
    return attention_section.inside(measured)


def _features(
    experiment: Experiment, outputs: Sequence[Collected], chosen: np.ndarray
) -> page.Section:
    dataset, labels = experiment.dataset, _labels(experiment)[chosen]
    first, found = outputs[0].features, outputs[-1].features
    shown = {"spatial stream": first["spatial"]} if "spatial" in first else {}
    is_fused = "fused" in found or "attended" in found
    for name, title in _PANELS.items():
        if name in found and not (is_fused and name == "temporal"):
            shown[title] = found[name]
    names = [dataset.names[video] for video in experiment.split.test[chosen]]
    classes, seed = dataset.meta.classes, experiment.config.seed
    return learning_section.features(shown, names, labels, classes, seed)


def _versions(experiment: Experiment) -> page.Section:
    config = (experiment.directory / run_dir.CONFIG).read_text()
    blocks: list[page.Block] = [page.Listing("config", config)]
    found = {}
    for stage in experiment.config.stages:
        weights = experiment.folder(stage) / run_dir.WEIGHTS
        if weights.exists():
            listing = page.Listing(f"weights of {stage.name}", weights.read_text())
            blocks.append(listing)
        selected = checkpoint_selection.find(experiment, stage)
        found[f"stage {stage.name}"] = str(selected)
    lines = list((found | versions()).items())
    table = page.Numbers(("what", "version or value"), lines)
    return page.Section("Config and versions", [*blocks, table])


def versions() -> dict[str, str]:
    """Versions of the libraries, the system and the devices."""
    found = {"Python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed as a package"
    devices = f"{jax.device_count()} x {jax.devices()[0].device_kind}"
    return found | {"system": platform.platform(), "devices": devices}
