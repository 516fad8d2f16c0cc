"""Scores of the trained networks and of their averages on held-out videos."""

import itertools
from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from stpn_jax import parallel
from stpn_jax.config import Config, EvaluationConfig, StageConfig
from stpn_jax.evaluation import metrics, protocol
from stpn_jax.experiment import checkpoint_selection, run_dir, setup, stage_batches
from stpn_jax.experiment.initialize import Variables
from stpn_jax.experiment.setup import Experiment
from stpn_jax.train import checkpoint, step
from stpn_jax.utils import wording
from stpn_jax.utils.errors import UsageError


def evaluate(experiment: Experiment, again: bool = True) -> dict[str, metrics.Metrics]:
    """Tests every stage's network and each average of a spatial and a temporal stream.

    Writes results.json, results.md, tested.json (which checkpoints) and scores.npz (per
    video) to the workdir. Shared streams that were tested before are tested `again`.
    """
    run_dir.register(experiment)
    videos = experiment.split.test
    if not len(videos):
        raise UsageError(f"{experiment.config.data.data_dir}: no test videos")
    stages = experiment.config.stages
    scores = {stage.name: test(experiment, stage, again) for stage in stages}
    scores |= two_stream_averages(experiment.config, scores)
    results = {name: measure(experiment, p, videos) for name, p in scores.items()}
    if parallel.is_first_host():
        tested = {
            stage.name: checkpoint_selection.find(experiment, stage) for stage in stages
        }
        notes = [f"{name}: {selected}" for name, selected in tested.items()]
        table = "\n".join([metrics.results_table(results), *notes, ""])
        run_dir.write_results(experiment, results, table, tested, scores)
        print(table, flush=True)
    return results


def test(experiment: Experiment, stage: StageConfig, again: bool) -> np.ndarray:
    """Class probabilities of the test videos by a stage's network.

    A stream that runs share is tested once: its folder keeps the scores.
    """
    videos = experiment.split.test
    folder = experiment.folder(stage)
    is_shared = folder.parent != experiment.directory
    known = None if again or not is_shared else run_dir.read_scores(folder)
    if known is not None:
        print(f"[{stage.name}] tested before", flush=True)
        return known
    print(f"[{stage.name}] testing {wording.counted(len(videos), 'video')}", flush=True)
    score = make_scorer(experiment, stage, videos, experiment.config.evaluation)
    variables = checkpoint_selection.restore(experiment, stage)
    probabilities = score(parallel.replicate(variables))
    is_trained = checkpoint.newest_step(run_dir.checkpoints(folder)) == stage.steps
    if is_shared and is_trained and parallel.is_first_host():
        run_dir.write_scores(folder, {stage.name: probabilities})
    return probabilities


def make_scorer(
    experiment: Experiment,
    stage: StageConfig,
    videos: np.ndarray,
    evaluation: EvaluationConfig,
) -> Callable[[Variables], Float[np.ndarray, "videos classes"]]:
    """Class probabilities by a stage's network with given variables."""
    network = setup.build_network(experiment, stage, training=False)
    forward = parallel.map_forward(step.make_predict_step(network))
    count, classes = len(experiment.dataset.names), len(experiment.dataset.meta.classes)

    def score(variables: Variables) -> np.ndarray:
        batches = stage_batches.test_batches(
            experiment, stage, variables, videos, evaluation
        )
        return protocol.score(forward, variables, batches, count, classes)[videos]

    return score


def measure(
    experiment: Experiment, probabilities: np.ndarray, videos: np.ndarray
) -> metrics.Metrics:
    """Metrics of the probabilities of these videos."""
    meta = experiment.dataset.meta
    return metrics.compute(
        probabilities, experiment.dataset.labels[videos], meta.classes, meta.groups
    )


def two_stream_averages(
    config: Config, scores: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Softmax outputs averaged 1:1 (Table 2's caption), for each pair of streams."""
    return {
        metrics.result_name(a.name, b.name): (scores[a.name] + scores[b.name]) / 2
        for a, b in itertools.product(config.stages, repeat=2)
        if (a.network, b.network) == ("spatial", "temporal")
    }
