"""Which of a stage's networks counts: the last one, or the best in validation."""

import dataclasses

import numpy as np

from stpn_jax.config import StageConfig
from stpn_jax.experiment import parts, run_dir
from stpn_jax.experiment.setup import Experiment
from stpn_jax.train import checkpoint
from stpn_jax.utils.errors import UsageError


@dataclasses.dataclass(frozen=True)
class Selected:
    """A checkpoint of a stage.

    Attributes:
        step: its update.
        select: last or best, as the config says.
        validation: its mean class accuracy on the validation part, where it was chosen
            by it.
    """

    step: int
    select: str
    validation: float | None = None

    def __str__(self) -> str:
        if self.validation is None:
            return f"step {self.step}, the {self.select}"
        share = f"{100 * self.validation:.1f} %"
        return f"step {self.step}, the best in validation ({share} mean class accuracy)"


def check(experiment: Experiment) -> None:
    """Raises UsageError if a stage has no videos, or none that tell which is best."""
    for stage in experiment.config.stages:
        if not len(experiment.videos(stage)):
            raise UsageError(
                f"config.stages.{stage.name}.trained_on = {stage.trained_on!r}: there "
                f"are no {stage.trained_on} videos; see config.data.validation_fraction"
            )
        left = np.setdiff1d(experiment.split.validation, experiment.videos(stage))
        if stage.select == "best" and not len(left):
            raise UsageError(
                f"config.stages.{stage.name}.select = 'best' and there are no "
                "validation videos: raise config.data.validation_fraction, or take "
                "'last'"
            )


def find(experiment: Experiment, stage: StageConfig) -> Selected:
    """The checkpoint that a stage's config asks for.

    Raises:
        UsageError: there is none.
    """
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


def restore(experiment: Experiment, stage: StageConfig) -> parts.Variables:
    """Variables of that checkpoint.

    Raises:
        UsageError: there is none.
    """
    folder = run_dir.checkpoints(experiment.folder(stage))
    return checkpoint.restore_variables(folder, find(experiment, stage).step)
