"""Writes the report after a test, whose results stay where it fails."""

import traceback

from stpn_jax.evaluation.attention_share import Boxes
from stpn_jax.experiment.setup import Experiment
from stpn_jax.utils import errors


def attempt(experiment: Experiment, boxes: Boxes) -> None:
    """Writes the report; a failure is printed (a full disk raises): results remain."""
    try:
        from stpn_jax.experiment import run_report  # Matplotlib, an extra.

        run_report.write(experiment, boxes)
    except Exception as error:
        if errors.is_full_disk(error):
            raise
        missing = errors.missing_library(error)
        if not missing:
            traceback.print_exc()
        again = "the results are written, and stpn report tries again"
        print(f"the report failed ({missing or error}); {again}", flush=True)
