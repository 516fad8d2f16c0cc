"""A variant as a row of a table, a table, and a study."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import ml_collections

from stpn_jax.evaluation import metrics

Config: TypeAlias = ml_collections.ConfigDict
Change = Callable[[Config], None]
Stages = tuple[str, ...]
Repeat = tuple[int, int]
"""Seed of a training and seed of its sketches."""
# Hyperparameter searches have seeds that no other study uses, from here on.
SEARCH_SEED = 1000
SEARCH_REPEAT: Repeat = (SEARCH_SEED, SEARCH_SEED)


@dataclasses.dataclass(frozen=True)
class Row:
    """A variant of the network as a row of a table.

    Attributes:
        label: its first cell.
        variant: its name in configs (FILE:VARIANT), in folders of runs and in results.
        change: makes its config from that of the whole network.
        results: for each column, the stages whose averaged softmax outputs are scored.
        numbers: the paper's for each column; None where it has none.
    """

    label: str
    variant: str
    change: Change
    results: tuple[Stages, ...]
    numbers: tuple[float | None, ...]

    def labelled(self, label: str, *numbers: float) -> "Row":
        """The same variant in another table."""
        without = (None,) * len(self.results)
        return dataclasses.replace(self, label=label, numbers=numbers or without)

    @property
    def result_names(self) -> list[str]:
        """Names of its results in a run's results.json."""
        return [metrics.result_name(*stages) for stages in self.results]


@dataclasses.dataclass(frozen=True)
class Table:
    """Variants that are compared with each other.

    Attributes:
        title: what is compared.
        rows: in the order in which they are printed.
        columns: of one run; a table over data sets has one for each of them.
        splits: official splits whose mean a cell is; empty for the config's own.
        datasets: whose numbers the columns are, where a table has several.
        seeds: trainings of every variant in a study.
        sketches: sketch seeds of one training, where these are compared.
        reference: index of the variant that a study compares the others with.
        first_seed: of the trainings.
    """

    title: str
    rows: tuple[Row, ...]
    columns: tuple[str, ...] = ("accuracy",)
    splits: tuple[int, ...] = ()
    datasets: tuple[str, ...] = ()
    seeds: int = 1
    sketches: int = 1
    reference: int = 0
    first_seed: int = 0

    def repeated(self, seeds: int) -> "Table":
        """The same table with so many trainings of every variant."""
        return dataclasses.replace(self, seeds=seeds)

    def repeats(self, count: int = 0) -> list[Repeat]:
        """Seeds of the trainings of every variant: so many, or 0 for the table's own.

        Sketches have their training's seed, so that other trainings have other
        sketches; where sketches are compared, one training is repeated with several.
        """
        if self.sketches > 1:
            return [(0, sketch) for sketch in range(count or self.sketches)]
        seeds = range(self.first_seed, self.first_seed + (count or self.seeds))
        return [(seed, seed) for seed in seeds]


@dataclasses.dataclass(frozen=True)
class Study:
    """Tables on one data set, by name.

    Attributes:
        variant: of configs/study.py.
        tables: see Table.
        devices: that it must run on; 0 for any.
        folds: validation parts that are scored, each by a training without it; then no
            test video is read. 0 for the test videos.
        without: classes whose videos are left out of the folds.
    """

    variant: str
    tables: Mapping[str, Table]
    devices: int = 0
    folds: int = 0
    without: tuple[str, ...] = ()


def row(
    label: str,
    variant: str,
    change: Change,
    number: float | None = None,
    stages: Stages = ("pyramid",),
) -> Row:
    """A variant in a table with one column."""
    return Row(label, variant, change, (stages,), (number,))


def table(title: str, *rows: Row, **settings: Any) -> Table:
    """A table of these variants; settings are the other fields of Table."""
    return Table(title, rows, **settings)


def parametrised(function: Callable[..., None]) -> Callable[..., Change]:
    """Turns a function of a config and parameters into one of the parameters alone."""
    return lambda *args, **kwargs: lambda config: function(config, *args, **kwargs)


@parametrised
def in_turn(config: Config, *changes: Change) -> None:
    """Several changes."""
    for change in changes:
        change(config)


@parametrised
def keep(config: Config, *names: str) -> None:
    """Leaves out all other stages."""
    for name in set(config.stages) - set(names):
        del config.stages[name]


@parametrised
def values(config: Config, section: str, **fields: Any) -> None:
    """Sets fields of a section of the config, which has a dotted name."""
    config.update_from_flattened_dict({f"{section}.{k}": x for k, x in fields.items()})
