"""The folder of one run: whose it is, where its files lie, what it holds at the end."""

import dataclasses
import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np
from etils import epath

from stpn_jax import config as configs
from stpn_jax import parallel
from stpn_jax.config import Config
from stpn_jax.evaluation import metrics
from stpn_jax.records import records
from stpn_jax.report import page
from stpn_jax.utils import files, manifest
from stpn_jax.utils.errors import UsageError

CONFIG, DATASET = "config.json", "dataset.json"
RESULTS_JSON, RESULTS_TABLE, SCORES = "results.json", "results.md", "scores.npz"
TESTED = "tested.json"
WEIGHTS, REPORT = "weights.json", "report"
PAGE = f"{REPORT}/{page.INDEX}"

# What a file of scores raises that is not there or damaged; EOFError if it is empty.
DAMAGED = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)

# Of SCORES, beside the rows.
TEST_COLUMNS = ("videos", "labels", "digest")

# Fields that a single stream has no part for.
FUSION_FIELDS = ("model.temporal", "model.attention", "model.pyramid", "model.sketch")


def checkpoints(stage_directory: epath.Path) -> epath.Path:
    """Folder of a stage's checkpoints."""
    return stage_directory / "checkpoints"


def claim_streams(
    directory: epath.Path,
    config: Config,
    dataset: records.Dataset,
    init_from: str | None,
) -> None:
    """Claims the folder of each single stream for its part of the config.

    Raises:
        UsageError: as claim.
    """
    for stage in (one for one in config.stages if one.is_single_stream):
        part = dataclasses.replace(config, stages=(stage,))
        claim(directory / stage.name, part, dataset, init_from, FUSION_FIELDS)


def claim(
    directory: epath.Path,
    config: Config,
    dataset: records.Dataset,
    init_from: str | None,
    unused: tuple[str, ...] = (),
) -> None:
    """Writes whose workdir this is, or checks it.

    Args:
        directory: the workdir.
        config: of the run.
        dataset: its data.
        init_from: checkpoint that it starts from, or empty; None where it starts from
            what is there, so that this does not matter.
        unused: beginnings of the fields that do not matter here.

    Raises:
        UsageError: if it belongs to another config or other data, naming the fields.
    """
    if directory.exists() and not directory.is_dir():
        raise UsageError(f"--workdir={directory} is a file; give it a folder's name")
    directory.mkdir(parents=True, exist_ok=True)
    mine = {
        CONFIG: configs.facts(config) | {"init_from": init_from or ""},
        DATASET: manifest.plain(dataclasses.asdict(dataset.meta))
        | {"videos": dataset.digest()},
    }
    free = (*configs.FREE_FIELDS, *unused)
    if init_from is None:
        free = (*free, "init_from")
    for name, content in mine.items():
        path = directory / name
        if path.exists():
            there = read_json(path)
            there = configs.upgraded(there, str(path)) if name == CONFIG else there
            _check_same(path, there, content, free)
        elif parallel.is_first_host():
            manifest.write(path, content)


def read_json(path: epath.Path) -> dict[str, Any]:
    """The content of one of the JSON files above.

    Raises:
        UsageError: if it is damaged.
    """
    return manifest.read(
        path, "delete it if the workdir is of this run, or choose another --workdir"
    )


def _check_same(
    path: epath.Path, theirs: Any, mine: Any, free: tuple[str, ...]
) -> None:
    if differing := manifest.differences(theirs, mine, free):
        raise UsageError(
            f"{path}: this workdir belongs to another run: {'; '.join(differing[:5])}; "
            "give the same flags, or choose another --workdir"
        )


def write_results(
    directory: epath.Path,
    results: dict[str, Any],
    table: str,
    tested: dict[str, Any],
    per_video: dict[str, np.ndarray],
) -> None:
    """Writes what a test gave.

    Args:
        directory: of the run.
        results: metrics by row.
        table: the same as markdown.
        tested: by stage, which checkpoint it was.
        per_video: every video's probabilities.
    """
    write_scores(directory, per_video)
    files.write_whole(directory / TESTED, json.dumps(tested, indent=2))
    files.write_whole(directory / RESULTS_TABLE, table)
    files.write_whole(directory / RESULTS_JSON, json.dumps(results, indent=2))


def write_scores(directory: epath.Path, per_video: dict[str, np.ndarray]) -> None:
    """Writes arrays that have a row for every test video."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **per_video)
    files.write_whole(directory / SCORES, buffer.getvalue())


def read_scores(stage_directory: epath.Path) -> np.ndarray | None:
    """The probabilities that a shared stage was tested with; None if there are none."""
    try:
        data = (stage_directory / SCORES).read_bytes()
        with np.load(io.BytesIO(data)) as arrays:
            return np.asarray(arrays[stage_directory.name])
    except DAMAGED:
        return None


def forget_scores(stage_directory: epath.Path) -> None:
    """Removes what a shared stage was tested with: it is trained on."""
    if parallel.is_first_host():
        (stage_directory / SCORES).unlink(missing_ok=True)


def write_weights(stage_directory: epath.Path, notes: dict[str, Any]) -> None:
    """Writes which weight files a stage started from, if any."""
    if notes and parallel.is_first_host():
        stage_directory.mkdir(parents=True, exist_ok=True)
        files.write_whole(stage_directory / WEIGHTS, json.dumps(notes, indent=2))


def read_results(directory: epath.Path) -> dict[str, metrics.Metrics]:
    """The metrics that write_results wrote, by row."""
    rows = read_json(directory / RESULTS_JSON)
    return {name: metrics.Metrics(**row) for name, row in rows.items()}


@dataclasses.dataclass(frozen=True)
class Tested:
    """What a run was tested on and what it answered.

    Attributes:
        videos: names of the test videos.
        labels: their classes.
        classes: names by label.
        prepared: how the records were made.
        digest: tells the records of the test videos from others.
        probabilities: by row, in the order of the videos.
    """

    videos: list[str]
    labels: np.ndarray
    classes: list[str]
    prepared: dict[str, Any]
    digest: str
    probabilities: dict[str, np.ndarray]


def is_tested(directory: epath.Path) -> bool:
    """Whether all is there that write_results writes."""
    if not (directory / RESULTS_JSON).exists():
        return False
    try:
        read_tested(directory)
    except UsageError:
        return False
    return True


def read_tested(directory: epath.Path) -> Tested:
    """What write_results kept of a run's test.

    Raises:
        UsageError: there is no such folder, it is no workdir, or was not tested.
    """
    if not directory.exists():
        raise UsageError(f"{directory}: there is no such folder")
    try:
        with np.load(io.BytesIO((directory / SCORES).read_bytes())) as file:
            arrays = dict(file)
        videos, labels, digest = (arrays.pop(name) for name in TEST_COLUMNS)
    except DAMAGED as error:
        raise UsageError(
            f"{directory / SCORES}: no scores of a test are there ({error}); "
            "--mode=evaluate makes them"
        ) from error
    description = read_json(directory / DATASET)
    description.pop("videos", None)
    classes = list(description["classes"])
    return Tested(videos.tolist(), labels, classes, description, str(digest), arrays)


def print_files(directory: epath.Path) -> None:
    """Names every file of a run; a checkpoint is named as one, and so is the report."""
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
