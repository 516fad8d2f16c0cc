"""Trains and tests the runs of a table or of a study that are not there yet."""

import dataclasses
import time
from collections.abc import Sequence

import jax
import numpy as np
from absl import logging
from etils import epath

from stpn_jax.datasets import official_splits
from stpn_jax.experiment import run_dir, setup, train
from stpn_jax.experiment.setup import Experiment
from stpn_jax.utils import compilation_cache, errors, files, locks
from stpn_jax.utils.errors import UsageError
from studies import accuracy_tables
from studies.planner import Run
from studies.result_store import ResultStore, facts_of
from studies.rows import Table

KEPT_PROGRAMS = 8  # rows whose compiled programs are kept: they share the small ones


def run_table(
    table: Table, chosen: Sequence[Run], runs: Sequence[Run], path: epath.Path
) -> str:
    """Trains the chosen runs; writes the table of all finished runs after each.

    Args:
        table: of the paper.
        chosen: the runs to train.
        runs: all of the table.
        path: of its markdown.
    """
    for run in chosen:
        setup.check_weights(run.config)
    _prepare_libraries()
    text = ""
    for index, run in enumerate(chosen, 1):
        _announce(index, chosen)
        kept = "finished rows and checkpoints are kept"
        with errors.disk_errors(path.parent, kept):
            train.train(open_run(run))
            results = [
                accuracy_tables.Result(
                    one.row.variant,
                    one.config.data.dataset,
                    run_dir.read_results(one.directory),
                )
                for one in runs
                if (one.directory / run_dir.RESULTS_JSON).exists()
            ]
            text = accuracy_tables.of_paper(table, results)
            text = f"Table {run.table}: {table.title}\n\n{text}"
            files.write_whole(path, text)
        jax.clear_caches()
    return text


def run_study(runs: Sequence[Run], store: ResultStore, validates: bool = False) -> None:
    """Runs what the store does not have yet; all that it has is checked before.

    Args:
        runs: of the study.
        store: gets their predictions.
        validates: whether they are scored on the validation part.
    """
    _prepare_libraries()
    missing = [
        run for run in runs if not _is_stored(run, open_run(run, validates), store)
    ]
    for index, run in enumerate(missing, 1):
        _announce(index, missing)
        _train(run, open_run(run, validates), store)
        if index % KEPT_PROGRAMS == 0:
            jax.clear_caches()


def open_run(run: Run, validates: bool = False) -> Experiment:
    """The experiment of a run, over its shared streams.

    Args:
        run: which.
        validates: whether the validation part is in the place of the test videos.
    """
    opened = setup.open_experiment(run.config, run.directory, "", run.streams)
    if not validates:
        return opened
    split = opened.split
    if not len(split.validation):
        raise UsageError("there are no validation videos to choose by")
    none = np.array([], split.test.dtype)
    hidden = official_splits.Split(split.train, none, split.validation)
    return dataclasses.replace(opened, split=hidden)


def _prepare_libraries() -> None:
    compilation_cache.enable()
    logging.set_verbosity(logging.FATAL)  # What Orbax logs as errors, it raises.


def _announce(index: int, runs: Sequence[Run]) -> None:
    run = runs[index - 1]
    print(f"\n== [{index}/{len(runs)}] {run.table}, {run.row.variant}: {run.directory}")


def _is_stored(run: Run, experiment: Experiment, store: ResultStore) -> bool:
    return store.has(run.table, run.columns.values(), facts_of(experiment))


def _train(run: Run, experiment: Experiment, store: ResultStore) -> None:
    """Of several processes with the same study one trains a run, the others wait."""
    run.directory.mkdir(parents=True, exist_ok=True)
    with locks.turn(run.directory):
        if _is_stored(run, experiment, store):
            return
        started = time.monotonic()
        train.train(experiment, report=False)
        tested = run_dir.read_tested(run.directory)
        seconds = time.monotonic() - started
    store.add(run.table, run.columns, facts_of(experiment), tested, seconds)
