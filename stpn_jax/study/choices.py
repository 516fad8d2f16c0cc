"""Rates chosen on a validation part of the training groups, on a seed of its own."""

import csv
import dataclasses
import io
from collections.abc import Sequence

import jax
from etils import epath

from stpn_jax import files
from stpn_jax.config import Config
from stpn_jax.evaluation.paper import Row
from stpn_jax.experiment import setup, training
from stpn_jax.study import tables, trials
from stpn_jax.study.parts import Part
from stpn_jax.train import metrics
from stpn_jax.train.journal import VALIDATION

SEED = 1000
FRACTION = 0.25
CHOICES = "choices.csv"
_HEADER = ("variant", "learning rate", "validation mean class accuracy")


def run(
    part: Part,
    only: Sequence[str],
    folder: epath.Path,
    overrides: Sequence[str],
    rates: Sequence[float],
    answers: epath.Path,
) -> str:
    """Trains every row at every rate and notes its score; no test video is read.

    Args:
        part: whose rows.
        only: comparisons, or none for all.
        folder: of the runs.
        overrides: of config fields.
        rates: of the last stage, where it is built on streams.
        answers: folder of choices.csv.
    """
    path = answers / CHOICES
    rows = list(csv.reader(io.StringIO(path.read_text()))) if path.exists() else []
    known = {(row[0], row[1]): row[2] for row in rows[1:]}
    held_out = f"--config.data.validation_fraction={FRACTION}"
    for row in _rows(part, only):
        for rate in rates:
            if (row.variant, str(rate)) in known:
                continue
            print(f"\n== {row.variant} at {rate}")
            config = trials.load(part, row, (SEED, SEED), [held_out, *overrides])
            *streams, last = config.stages
            stages = (*streams, dataclasses.replace(last, learning_rate=rate))
            trial = dataclasses.replace(config, stages=stages)
            opened = setup.open_experiment(
                trial, folder / f"{row.variant}-rate{rate}", "", folder / "streams"
            )
            setup.claim(opened)
            for stage in stages:
                training.train_stage(opened, stage)
            score = metrics.read(opened.folder(stages[-1]))[-1][VALIDATION]
            known[row.variant, str(rate)] = f"{score:.4f}"
            answers.mkdir(parents=True, exist_ok=True)
            _write(path, known)
            jax.clear_caches()
    return path.read_text()


def _rows(part: Part, only: Sequence[str]) -> list[Row]:
    """The rows whose last stage is built on streams, each once."""
    found: dict[Config, Row] = {}
    for name, comparison in part.comparisons.items():
        for row in comparison.table.rows if name in only or not only else ():
            config = trials.load(part, row, tables.runs(comparison)[0])
            if not config.stages[-1].is_single_stream:
                found.setdefault(config, row)
    return list(found.values())


def _write(path: epath.Path, known: dict[tuple[str, str], str]) -> None:
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(_HEADER)
    lines.writerows((*key, value) for key, value in known.items())
    files.write_whole(path, text.getvalue())
