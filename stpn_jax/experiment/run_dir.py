"""The folder of one run: its files, which run it belongs to, and what a test wrote."""

import dataclasses
import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np
from etils import epath

from stpn_jax import config as configs
from stpn_jax import config_facts, parallel, report
from stpn_jax.config import Config
from stpn_jax.evaluation import metrics
from stpn_jax.experiment.setup import Experiment
from stpn_jax.utils import files, manifest
from stpn_jax.utils.errors import UsageError

CONFIG, DATASET = "config.json", "dataset.json"
RESULTS_JSON, RESULTS_TABLE, SCORES = "results.json", "results.md", "scores.npz"
TESTED = "tested.json"
WEIGHTS, REPORT = "weights.json", "report"
PAGE = f"{REPORT}/{report.INDEX}"

# What reading a file of scores raises if it is missing or damaged; EOFError if empty.
DAMAGED = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)

# In SCORES, beside the probabilities of each network.
TEST_COLUMNS = ("videos", "labels", "digest")

# Fields that no single stream depends on.
FUSION_FIELDS = ("model.temporal", "model.attention", "model.pyramid", "model.sketch")


def checkpoints(stage_directory: epath.Path) -> epath.Path:
    """Folder of a stage's checkpoints."""
    return stage_directory / "checkpoints"


def register(experiment: Experiment) -> None:
    """Writes which run the workdir belongs to, or checks that it is this one.

    Where runs share the single streams, each stream's folder belongs to the part of
    the config that the stream depends on.

    Raises:
        UsageError: it belongs to another config or other data; names the fields.
    """
    config = experiment.config
    _register(experiment, experiment.directory, config)
    if experiment.streams == experiment.directory:
        return
    for stage in (one for one in config.stages if one.is_single_stream):
        alone = dataclasses.replace(config, stages=(stage,))
        _register(experiment, experiment.folder(stage), alone, FUSION_FIELDS)


def _register(
    experiment: Experiment,
    directory: epath.Path,
    config: Config,
    unused: tuple[str, ...] = (),
) -> None:
    """Registers one folder for a config, of which the fields `unused` do not matter."""
    if directory.exists() and not directory.is_dir():
        raise UsageError(f"--workdir={directory} is a file; give it a folder's name")
    directory.mkdir(parents=True, exist_ok=True)
    dataset, init_from = experiment.dataset, experiment.init_from
    own = ("init_from",) if init_from is None else ()
    free = (*configs.FREE_FIELDS, *unused, *own)
    written = {
        CONFIG: config_facts.facts(config) | {"init_from": init_from or ""},
        DATASET: manifest.plain(dataclasses.asdict(dataset.meta))
        | {"videos": dataset.digest()},
    }
    for name, facts in written.items():
        path = directory / name
        if path.exists():
            there = read_json(path)
            if name == CONFIG:
                there = _upgraded(path, there)
            if differing := manifest.differences(there, facts, free):
                raise UsageError(
                    f"{path}: this workdir belongs to another run: "
                    f"{'; '.join(differing[:5])}; give the same flags, or choose "
                    "another --workdir"
                )
        elif parallel.is_first_host():
            manifest.write(path, facts)


def _upgraded(path: epath.Path, there: dict[str, Any]) -> dict[str, Any]:
    try:
        return config_facts.upgraded(there, str(path))
    except (UsageError, TypeError) as error:
        raise UsageError(
            f"{path}: this workdir belongs to another version's run ({error}); choose "
            "another --workdir"
        ) from error


def read_json(path: epath.Path) -> dict[str, Any]:
    """The content of one of the JSON files above.

    Raises:
        UsageError: it is damaged.
    """
    return manifest.read(
        path, "delete it if the workdir is of this run, or choose another --workdir"
    )


def write_results(
    experiment: Experiment,
    results: dict[str, metrics.Metrics],
    table: str,
    tested: dict[str, Any],
    probabilities: dict[str, np.ndarray],
) -> None:
    """Writes the results of a test to the workdir.

    The results are by network, and as a table in markdown; `tested` is the checkpoint
    by stage; the probabilities of the test videos are by network.
    """
    directory, dataset = experiment.directory, experiment.dataset
    videos = experiment.split.test
    columns = {
        "videos": np.array([dataset.names[video] for video in videos]),
        "labels": dataset.labels[videos],
        "digest": np.array(dataset.digest_of(videos)),
    }
    write_scores(directory, columns | probabilities)
    files.write_whole(directory / RESULTS_TABLE, table)
    # The results come last: a run that has them is tested.
    for name, content in ((TESTED, tested), (RESULTS_JSON, results)):
        facts = {key: dataclasses.asdict(value) for key, value in content.items()}
        files.write_whole(directory / name, json.dumps(facts, indent=2))


def write_scores(directory: epath.Path, per_video: dict[str, np.ndarray]) -> None:
    """Writes arrays with one entry for every test video."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **per_video)
    files.write_whole(directory / SCORES, buffer.getvalue())


def read_scores(stage_directory: epath.Path) -> np.ndarray | None:
    """Test probabilities of a shared stream, or None if there are none."""
    try:
        return _read_arrays(stage_directory)[stage_directory.name]
    except DAMAGED:
        return None


def _read_arrays(directory: epath.Path) -> dict[str, np.ndarray]:
    with np.load(io.BytesIO((directory / SCORES).read_bytes())) as arrays:
        return dict(arrays)


def write_weights(stage_directory: epath.Path, notes: dict[str, Any]) -> None:
    """Writes which weight files a stage started from, if any."""
    if notes and parallel.is_first_host():
        stage_directory.mkdir(parents=True, exist_ok=True)
        files.write_whole(stage_directory / WEIGHTS, json.dumps(notes, indent=2))


def read_results(directory: epath.Path) -> dict[str, metrics.Metrics]:
    """The metrics that write_results wrote, by network."""
    found = read_json(directory / RESULTS_JSON)
    return {name: metrics.Metrics(**values) for name, values in found.items()}


@dataclasses.dataclass(frozen=True)
class Tested:
    """The test videos of a run and their class probabilities."""

    videos: list[str]
    labels: np.ndarray
    classes: list[str]  # names by label
    prepared: dict[str, Any]  # how the records were made
    digest: str  # of the records of the test videos
    probabilities: dict[str, np.ndarray]  # by network, in the order of the videos


def is_tested(directory: epath.Path) -> bool:
    """Whether the folder has all that write_results writes."""
    try:
        read_tested(directory)
    except UsageError:
        return False
    return (directory / RESULTS_JSON).exists()


def read_tested(directory: epath.Path) -> Tested:
    """What write_results kept of a run's test.

    Raises:
        UsageError: there is no such folder, it is no workdir, or was not tested.
    """
    if not directory.exists():
        raise UsageError(f"{directory}: there is no such folder")
    try:
        arrays = _read_arrays(directory)
        videos, labels, digest = (arrays.pop(name) for name in TEST_COLUMNS)
    except DAMAGED as error:
        raise UsageError(
            f"{directory / SCORES}: no scores of a test are there ({error}); "
            "stpn evaluate makes them"
        ) from error
    description = read_json(directory / DATASET)
    description.pop("videos", None)
    classes = list(description["classes"])
    return Tested(videos.tolist(), labels, classes, description, str(digest), arrays)


def print_files(directory: epath.Path) -> None:
    """Lists the files of a run; a checkpoint and the report count as one file."""
    print(f"written to {directory}:")
    for path in _files(directory):
        print(f"  {path.relative_to(directory)}")


def _files(folder: epath.Path) -> Iterator[epath.Path]:
    for path in sorted(folder.iterdir()):
        if path.name == REPORT:
            yield folder / PAGE
        elif path.is_dir() and folder != checkpoints(folder.parent):
            yield from _files(path)
        else:
            yield path
