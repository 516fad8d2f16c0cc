"""Plants one bug at a time in a copy of the tree and runs the default tests on it.

    python -m tests.mutations [NAME ...]

Every bug must be caught: the exit status is 1 if the tests pass with one of them. It
takes about as long as the default tests for a bug that they find late; `--first` runs
only the test files that are known to catch it, in seconds.
"""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
from typing import NamedTuple

ROOT = pathlib.Path(__file__).resolve().parents[1]


class Mutation(NamedTuple):
    """A bug: `old` occurs once in the file and becomes `new`."""

    file: str
    old: str
    new: str
    tests: str  # files, from tests/, that catch it


MUTATIONS = {
    "mirrored_flow_keeps_its_sign": Mutation(
        "models/preprocessing.py",
        "is_x[:, None, None], 255 - flow, flow)",
        "is_x[:, None, None], flow, flow)",
        "models",
    ),
    "flow_off_by_one": Mutation(
        "input_pipeline/sampling.py",
        "starts = centre + offsets(shape.paths, tau) - shape.flow_length // 2\n",
        "starts = centre + 1 + offsets(shape.paths, tau) - shape.flow_length // 2\n",
        "input_pipeline",
    ),
    "bgr_for_rgb": Mutation(
        "input_pipeline/batching.py",
        "yield _decode(file, cv2.IMREAD_COLOR, dataset, video, name)[:, :, ::-1]",
        "yield _decode(file, cv2.IMREAD_COLOR, dataset, video, name)",
        "input_pipeline",
    ),
    "no_l2": Mutation(
        "models/fusion.py",
        "        x = compact_bilinear.l2_normalise(x)\n",
        "        x = x * 1\n",
        "models",
    ),
    "tau_ignored": Mutation(
        "input_pipeline/sampling.py",
        "    tau = int(rng.integers(shape.tau[0], shape.tau[1] + 1))\n",
        "    tau = int(rng.integers(shape.tau[0], shape.tau[1] + 1)) * 0 + 1\n",
        "input_pipeline",
    ),
    "test_clip_in_training": Mutation(
        "datasets/official_splits.py",
        "training = np.flatnonzero(part == TRAIN)",
        "training = np.union1d(np.flatnonzero(part == TRAIN), "
        "np.flatnonzero(part == TEST)[:1])",
        "datasets",
    ),
    "class_order_in_export": Mutation(
        "experiment/export.py",
        "labels=experiment.dataset.meta.classes,",
        "labels=experiment.dataset.meta.classes[::-1],",
        "test_smoke.py",
    ),
    "resume_from_wrong_step": Mutation(
        "train/checkpoint.py",
        "for step in sorted(self._manager.all_steps(), reverse=True):",
        "for step in sorted(self._manager.all_steps()):",
        "train",
    ),
    "attention_not_normalised": Mutation(
        "models/stpn.py",
        "jax.nn.softmax(flat, axis=-1)",
        "jnp.exp(flat)",
        "models",
    ),
    "sketches_in_bfloat16": Mutation(
        "ops/count_sketch.py",
        "flat = x.reshape(-1, x.shape[-1])\n",
        "flat = x.reshape(-1, x.shape[-1]).astype(jnp.bfloat16)\n",
        "ops",
    ),
}


def plant(mutation: Mutation, root: pathlib.Path) -> None:
    """Changes the copy; an error if the line is no longer there once."""
    path = root / "stpn_jax" / mutation.file
    text = path.read_text()
    if text.count(mutation.old) != 1:
        sys.exit(f"error: {path.name} has not exactly one {mutation.old!r}")
    path.write_text(text.replace(mutation.old, mutation.new))


def is_caught(mutation: Mutation, first: bool) -> bool:
    """Whether the default tests fail with it."""
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder) / ROOT.name
        shutil.copytree(ROOT, root, ignore=shutil.ignore_patterns(".*", "runs"))
        plant(mutation, root)
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
        command += [f"tests/{mutation.tests}"] if first else ["-n2", "--dist=loadfile"]
        environment = os.environ | {"PYTHONPATH": str(root)}
        return bool(subprocess.run(command, cwd=root, env=environment).returncode)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="of the bugs [all]")
    parser.add_argument("--first", action="store_true", help="only the known tests")
    options = parser.parse_args()
    missed = [
        name
        for name in options.names or MUTATIONS
        if not is_caught(MUTATIONS[name], options.first)
    ]
    print(f"not caught: {', '.join(missed) or 'none'}")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
