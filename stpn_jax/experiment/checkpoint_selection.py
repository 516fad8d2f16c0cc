"""Which checkpoint of a stage later stages, tests and exports use: last or best."""

import dataclasses
from typing import Any

import numpy as np

from stpn_jax.config import StageConfig
from stpn_jax.experiment import run_dir
from stpn_jax.experiment.setup import Experiment
from stpn_jax.train import checkpoint
from stpn_jax.utils.errors import UsageError


@dataclasses.dataclass(frozen=True)
class Selected:
    """A checkpoint of a stage."""

    step: int
    select: str  # last or best
    validation: float | None = None  # mean class accuracy of the best

    def __str__(self) -> str:
        if self.validation is None:
            return f"step {self.step}, the {self.select}"
        share = f"{100 * self.validation:.1f} %"
        return f"step {self.step}, the best in validation ({share} mean class accuracy)"


def check(experiment: Experiment) -> None:
    """Raises UsageError if a stage has no videos, or none to select the best with."""
    for stage in experiment.config.stages:
        field, videos = f"config.stages.{stage.name}", experiment.videos(stage)
        if not len(videos):
            raise UsageError(
                f"{field}.trained_on = {stage.trained_on!r}: there are no "
                f"{stage.trained_on} videos; see config.data.validation_fraction"
            )
        left = np.setdiff1d(experiment.split.validation, videos)
        if stage.select == "best" and not len(left):
            raise UsageError(
                f"{field}.select = 'best' and there are no validation videos: raise "
                "config.data.validation_fraction, or take 'last'"
            )


def find(experiment: Experiment, stage: StageConfig) -> Selected:
    """The checkpoint that a stage's config asks for; raises as `restore` does."""
    folder = run_dir.checkpoints(experiment.folder(stage))
    if stage.select == "best" and (best := checkpoint.best_step(folder)):
        return Selected(best[0], "best", best[1])
    newest = checkpoint.newest_step(folder)
    if newest is None or (stage.select == "best" and stage.steps):
        raise UsageError(
            f"{folder}: no checkpoint of stage {stage.name}"
            f"{' with a validation score' if newest else ''}; train it first"
        )
    return Selected(newest, "last")


def restore(experiment: Experiment, stage: StageConfig) -> dict[str, Any]:
    """Variables of that checkpoint; raises UsageError if there is none."""
    folder = run_dir.checkpoints(experiment.folder(stage))
    return checkpoint.restore_variables(folder, find(experiment, stage).step)
