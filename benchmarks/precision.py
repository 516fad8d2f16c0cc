"""Loss curves of bfloat16 beside those of float32, on one plot, stage by stage.

    python -m stpn_jax.main --config=configs/demo.py --workdir=A
    python -m stpn_jax.main --config=configs/demo.py --workdir=B \
        --config.model.dtype=bfloat16
    python -m benchmarks.precision A B --out=precision.png

It also prints, for each stage, the mean loss of the last fifth of the updates, the
score in validation, if there is one, and how far apart the curves are on average.
"""

import argparse
import json
import pathlib

import numpy as np

from stpn_jax.figures import charts, style
from stpn_jax.train import logging
from stpn_jax.train.logging import VALIDATION


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", type=pathlib.Path, help="workdirs")
    parser.add_argument("--out", default="precision.png", type=pathlib.Path)
    options = parser.parse_args()
    runs = {name_of(run): run for run in options.runs}
    stages = json.loads((options.runs[0] / "config.json").read_text())["stages"]
    panels = []
    for stage in (stage["name"] for stage in stages):
        lines = [curve(name, run / stage, "loss") for name, run in runs.items()]
        panels.append(charts.Panel(stage, "loss", lines))
        for name, run in runs.items():
            print(describe(name, stage, run / stage, lines[0]))
    options.out.write_bytes(style.png(charts.curves([panels])))


def name_of(run: pathlib.Path) -> str:
    """The precision of a run's activations."""
    return str(json.loads((run / "config.json").read_text())["model"]["dtype"])


def curve(name: str, stage: pathlib.Path, quantity: str) -> charts.Curve:
    rows = [row for row in logging.read(stage) if quantity in row]
    return charts.Curve(
        name, [row["step"] for row in rows], [row[quantity] for row in rows]
    )


def describe(name: str, stage: str, folder: pathlib.Path, first: charts.Curve) -> str:
    loss = np.asarray(curve(name, folder, "loss").values)
    score = curve(name, folder, VALIDATION).values
    validated = (
        f"validation {100 * score[-1]:.1f} %" if score else "no validation score"
    )
    apart = np.abs(loss - np.asarray(first.values)).mean()
    return (
        f"{stage:10} {name:9} loss at the end {loss[-len(loss) // 5 :].mean():.3f}, "
        f"{apart:.3f} from {first.name}'s on average, "
        f"{validated}"
    )


if __name__ == "__main__":
    main()
