"""Orbax checkpoints of one stage: save, restore the newest, read variables only."""

import contextlib
import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from etils import epath
from orbax.checkpoint import checkpoint_managers

from stpn_jax.utils import files
from stpn_jax.utils.errors import UsageError

_VARIABLES, _PROGRESS = "variables", "progress"
_SCORE = "score"


class Checkpoints:
    """The checkpoints of one training run in one folder.

    Every process calls save; one copy of the replicated arrays is written, in the
    background, and renamed into place when it is whole.
    """

    def __init__(self, directory: epath.PathLike, keep: int):
        """Opens or makes the folder; keeps the newest and the one of the best score."""
        self._directory = files.absolute(directory)
        policies = [
            checkpoint_managers.LatestN(keep),
            checkpoint_managers.BestN(get_metric_fn=_score, n=1),
        ]
        options = ocp.CheckpointManagerOptions(
            preservation_policy=checkpoint_managers.AnyPreservationPolicy(policies),
            best_fn=_score,
            create=True,
        )
        try:
            self._manager = ocp.CheckpointManager(self._directory, options=options)
        except ValueError:  # The metrics of a checkpoint may be damaged: name it.
            best_step(self._directory)
            raise

    def latest_step(self) -> int | None:
        """Step of the newest whole checkpoint."""
        return self._manager.latest_step()

    def save(
        self, step: int, variables: Any, progress: Any, score: float | None = None
    ) -> None:
        """Starts writing the network's variables and what training needs to resume.

        A second call waits for the first to end. The score is that of validation.
        """
        items = {_VARIABLES: variables, _PROGRESS: progress}
        saved = {name: ocp.args.StandardSave(_global(items[name])) for name in items}
        # Orbax warns where a checkpoint has no metrics at all.
        metrics = {} if score is None else {_SCORE: score}
        self._manager.save(step, args=ocp.args.Composite(**saved), metrics=metrics)

    def restore(self, variables: Any, progress: Any) -> tuple[Any, Any]:
        """The newest whole checkpoint, like the arguments in structure and types.

        It comes as NumPy arrays, whatever devices and hosts saved it. Damaged
        checkpoints are reported, put aside and passed over.

        Raises:
            UsageError: all are damaged.
        """
        items = {_VARIABLES: variables, _PROGRESS: progress}
        wanted = {
            name: ocp.args.StandardRestore(jax.tree.map(_on_host, items[name]))
            for name in items
        }
        asked = ocp.args.Composite(**wanted)
        damaged: dict[int, UsageError] = {}
        for step in sorted(self._manager.all_steps(), reverse=True):
            try:
                with _damage_reported(self._directory / str(step)):
                    found = self._manager.restore(step, args=asked)
            except UsageError as error:
                damaged[step] = error
                continue
            for newer, cause in damaged.items():
                self._put_aside(newer, repr(cause.__cause__), step)
            return found[_VARIABLES], found[_PROGRESS]
        raise next(iter(damaged.values()))

    def _put_aside(self, step: int, reason: str, instead: int) -> None:
        """Renames a damaged checkpoint, so that its step can be saved again."""
        path = self._directory / str(step)
        aside = self._directory.parent / f"damaged_checkpoint_{step}"
        if jax.process_index() == 0:
            if aside.exists():
                aside.rmtree()
            path.rename(aside)
            short = reason.splitlines()[0][:80]
            print(
                f"{path}: this checkpoint cannot be read ({short}); it is now {aside}, "
                f"and training resumes from step {instead}",
                flush=True,
            )
        self._manager.reload()

    def wait(self) -> None:
        """Waits until all is written."""
        self._manager.wait_until_finished()

    def close(self) -> None:
        """Waits until all is written, and ends."""
        self._manager.close()


def newest_step(directory: epath.PathLike) -> int | None:
    """Step of the newest checkpoint of a folder, or None."""
    return max(_steps(directory), default=None)


def best_step(directory: epath.PathLike) -> tuple[int, float] | None:
    """Step and score of a folder's best checkpoint, the later of equals; or None.

    Raises:
        UsageError: the metrics of a checkpoint are damaged.
    """
    scores = {}
    for step in _steps(directory):
        folder = files.absolute(directory) / str(step)
        path = folder / "metrics" / "metrics"
        with _damage_reported(folder):
            metrics = json.loads(path.read_text()) if path.exists() else None
            scores[step] = _score(metrics)
    best = max(scores, key=lambda step: (scores[step], step), default=None)
    return None if best is None or math.isinf(scores[best]) else (best, scores[best])


def restore_variables(
    directory: epath.PathLike, step: int | None = None
) -> dict[str, Any]:
    """Variables of a folder's checkpoint at a step, or of its newest one.

    Raises:
        UsageError: the folder holds no checkpoint, or this one is damaged.
    """
    step = newest_step(directory) if step is None else step
    if step is None:
        raise UsageError(
            f"{directory}: no checkpoint in this folder; train first, or name another"
        )
    folder = files.absolute(directory) / str(step)
    with _damage_reported(folder), ocp.StandardCheckpointer() as checkpointer:
        saved = ocp.PyTreeCheckpointHandler().metadata(folder / _VARIABLES).tree
        return checkpointer.restore(folder / _VARIABLES, jax.tree.map(_on_host, saved))


def _steps(directory: epath.PathLike) -> list[int]:
    path = files.absolute(directory)
    return ocp.utils.checkpoint_steps(path) if path.exists() else []


def _score(metrics: Mapping[str, float] | None) -> float:
    return (metrics or {}).get(_SCORE, -math.inf)


def _global(tree: Any) -> Any:
    """Arrays that every host holds a copy of, as one array over all hosts."""
    if jax.process_count() == 1:
        return tree
    return jax.tree.map(
        ocp.utils.fully_replicated_host_local_array_to_global_array, tree
    )


def _on_host(array: Any) -> np.ndarray:
    """Shape and type to restore; a NumPy array tells Orbax to leave devices alone."""
    return np.empty(array.shape, array.dtype)


@contextlib.contextmanager
def _damage_reported(checkpoint: epath.Path) -> Iterator[None]:
    """Orbax has no error of its own for damage: any exception can come."""
    try:
        yield
    except Exception as error:
        raise UsageError(
            f"{checkpoint}: this checkpoint cannot be read ({type(error).__name__}); "
            "delete its folder and run the same command again, which resumes from the "
            "one before it, or from the start"
        ) from error
