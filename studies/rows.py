"""What a row of a table is, and the changes that rows make to a config.

Where rows compare operators, only the operator changes: the normalisation after it, the
schedule and the streams stay.
"""

import copy
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Concatenate, ParamSpec, TypeAlias

import ml_collections

from configs import base
from stpn_jax.evaluation import metrics

Config: TypeAlias = ml_collections.ConfigDict
Change = Callable[[Config], None]
Stages = tuple[str, ...]
Repeat = tuple[int, int]
"""Seed of a training and of its sketches."""

SPATIAL, TEMPORAL, AVERAGE = ("spatial",), ("temporal",), ("spatial", "temporal")
PYRAMID, PATHS, ATTENDED = ("pyramid",), ("paths",), ("attended",)
LEVELS = ("temporal", "attention", "pyramid")


@dataclasses.dataclass(frozen=True)
class Row:
    """A row of a table.

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
        """The same row in another table."""
        without = (None,) * len(self.results)
        return dataclasses.replace(self, label=label, numbers=numbers or without)

    @property
    def result_names(self) -> list[str]:
        """Names of its results in a run's results.json."""
        return [metrics.result_name(*stages) for stages in self.results]


@dataclasses.dataclass(frozen=True)
class Table:
    """Rows that are compared with each other.

    Attributes:
        title: what is compared.
        rows: in the order in which they are printed.
        columns: of one run; a table over data sets has one for each of them.
        splits: official splits whose mean a cell is; empty for the config's own.
        datasets: whose numbers the columns are, where a table has several.
        seeds: trainings of every row in a study.
        sketches: draws of the sketches for one training, where these are compared.
        reference: index of the row that a study compares the others with.
    """

    title: str
    rows: tuple[Row, ...]
    columns: tuple[str, ...] = ("accuracy",)
    splits: tuple[int, ...] = ()
    datasets: tuple[str, ...] = ()
    seeds: int = 1
    sketches: int = 1
    reference: int = 0

    def repeated(self, seeds: int) -> "Table":
        """The same table with so many trainings of every row."""
        return dataclasses.replace(self, seeds=seeds)

    def repeats(self, count: int = 0) -> list[Repeat]:
        """Seeds of the trainings of every row: so many, or 0 for the table's own.

        Sketches have their training's seed, so that other trainings have other
        sketches; where sketches are compared, one training is repeated with several.
        """
        if self.sketches > 1:
            return [(0, sketch) for sketch in range(count or self.sketches)]
        return [(seed, seed) for seed in range(count or self.seeds)]


@dataclasses.dataclass(frozen=True)
class Study:
    """Tables on one data set.

    Attributes:
        variant: of configs/study.py.
        tables: by name.
        devices: that it must run on; 0 for any.
    """

    variant: str
    tables: Mapping[str, Table]
    devices: int = 0


def row(
    label: str,
    variant: str,
    change: Change,
    number: float | None = None,
    stages: Stages = PYRAMID,
) -> Row:
    """A row of a table with one column."""
    return Row(label, variant, change, (stages,), (number,))


def table(title: str, *rows: Row, **settings: Any) -> Table:
    """A table of these rows; settings are the other fields of Table."""
    return Table(title, rows, **settings)


_P = ParamSpec("_P")


def _change(function: Callable[Concatenate[Config, _P], None]) -> Callable[_P, Change]:
    """Turns a function of a config and parameters into one of the parameters alone."""
    return lambda *args, **kwargs: lambda config: function(config, *args, **kwargs)


whole = _change(base.use_backbone)
"""Table 7: the whole network on another backbone."""


@_change
def values(config: Config, fields: Mapping[str, Any]) -> None:
    """Sets fields by their dotted names."""
    config.update_from_flattened_dict(fields)


@_change
def in_turn(config: Config, *changes: Change) -> None:
    """Several changes."""
    for change in changes:
        change(config)


@_change
def keep(config: Config, *names: str) -> None:
    """Leaves out all other stages."""
    for name in set(config.stages) - set(names):
        del config.stages[name]


def two_streams(backbone: str) -> Change:
    """Table 2: the two streams on another backbone."""
    return in_turn(whole(backbone), keep(*AVERAGE))


def fusion(*names: str, **fields: Any) -> Change:
    """Sets fields of the fusion at some levels."""
    return values(
        {f"model.{level}.{key}": x for level in names for key, x in fields.items()}
    )


def pyramid_stage(**fields: Any) -> Change:
    """Sets fields of the stage that trains the whole network."""
    return values({f"stages.pyramid.{key}": x for key, x in fields.items()})


def attention_from(source: str) -> Change:
    """The maps that the attention is made from, or none."""
    return values({"model.attention_from": source})


def last_level(kind: str, width: int = 0) -> Change:
    """Table 3: the last level alone, over the streams' pooled features."""
    last = fusion("pyramid", kind=kind, **({"width": width} if width else {}))
    return in_turn(attention_from("none"), pyramid_stage(paths=1), last)


@_change
def first_level(config: Config, kind: str, paths: int) -> None:
    """Table 4: the first level alone, over copies of the temporal stream."""
    config.model.temporal.kind = kind
    stage = copy.deepcopy(config.stages.pyramid)
    stage.update(network="temporal", paths=paths, init=TEMPORAL)
    keep(*TEMPORAL)(config)
    config.stages.paths = stage


@_change
def attention_level(config: Config, source: str, kind: str = "stcb") -> None:
    """Table 5: the second level alone; only the attended feature is classified."""
    config.model.attention_from = source
    config.model.attention.kind = kind
    stage = copy.deepcopy(config.stages.pyramid)
    stage.update(network="attended", paths=1)
    keep(*AVERAGE)(config)
    config.stages.attended = stage


def joint(of: Row) -> Change:
    """A row whose streams are trained with it, at the streams' batch.

    400 updates leave D with a quarter of the training clips wrong.
    """
    schedule = pyramid_stage(
        cached_views=0,
        batch=16,
        learning_rate=0.001,
        steps=1200,
        lr_milestones=(720, 1020),
    )
    return in_turn(schedule, of.change)


@_change
def wide(config: Config, of: Row) -> None:
    """A row whose sketches are four times as long."""
    for level in LEVELS:
        config.model[level].width *= 4
    of.change(config)


@_change
def half(config: Config, of: Row, trained_on: str = "train") -> None:
    """A row over streams of one half of the training groups, trained on it or not."""
    config.data.validation_fraction = 0.5
    config.stages.pyramid.trained_on = trained_on
    of.change(config)
