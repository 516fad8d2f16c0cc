"""A network with fresh weights, from frames in memory to predictions: ms and clips/s.

    python -m benchmarks.from_frames [--backbone=resnet50] [--dtype=bfloat16]

As a user's prediction, without the file and its decoder: TV-L1 of a drifting texture,
snippets, crops and the network, by one clip alone and by several that share batches.
"""

import argparse
import dataclasses
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import measure, train_step
from benchmarks import tvl1 as flows
from stpn_jax.arrays import Batch
from stpn_jax.export import artifact
from stpn_jax.ops import tvl1

try:
    import av  # noqa: F401
except ModuleNotFoundError:  # Frames in memory need no decoder.
    sys.modules["av"] = mock.MagicMock()
from stpn_jax.inference import engine


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--backbone", default="bn_inception")
    add("--dtype", default="float32", choices=artifact.DTYPES)
    add("--snippets", type=int, default=3)
    add("--crops", type=int, default=1, choices=(1, 2, 10))
    add("--size", default="340x256")
    add("--input_size", type=int, default=224)
    add("--frames", type=int, default=120, help="of a clip")
    add("--clips", type=int, default=4)
    add("--repeats", type=int, default=3)
    options = parser.parse_args(arguments)
    print(measure.environment(), flush=True)
    used = preprocessing(options)
    model = fresh(used, options.backbone, options.dtype)
    grey = flows.drifting(options.frames, *used.size)
    clip = np.repeat(grey[..., None], 3, axis=-1)
    alone = lambda: list(engine.predict(model, [clip], engine.Options(), many=False))  # noqa: E731
    started = time.perf_counter()
    alone()
    print(f"first prediction after {time.perf_counter() - started:.1f} s", flush=True)
    print(f"one clip: {spent(alone, options.repeats)}", flush=True)
    clips = [clip] * options.clips
    together = lambda: list(engine.predict(model, clips, engine.Options()))  # noqa: E731
    seconds = measure.clock({"": together}, options.repeats)[""]
    print(f"{len(clips)} clips: {len(clips) / seconds:.2f} clips/s")


def preprocessing(options: argparse.Namespace) -> artifact.Preprocessing:
    """The paper's snippets, with as many of them and crops as asked for."""
    width, height = map(int, options.size.split("x"))
    return artifact.Preprocessing(
        size=(width, height),
        input_size=options.input_size,
        frames=1,
        paths=3,
        flow_length=10,
        tau=(10, 10),
        bound=20.0,
        flow=dataclasses.asdict(tvl1.PRESETS["default"]),
        snippets=options.snippets,
        crops=options.crops,
        seed=0,
        span=31,
    )


def fresh(used: artifact.Preprocessing, backbone: str, dtype: str) -> artifact.Artifact:
    """The pyramid with random weights, as if loaded from an export."""
    case = train_step.Case("pyramid", backbone, dtype, 1, used.input_size)
    network = train_step.network(case)

    @jax.jit
    def program(variables: Any, rgb: Any, flow: Any, box: Any, flip: Any) -> tuple:
        unused = jnp.zeros(flip.shape, jnp.int32)
        batch = Batch(rgb, flow, box, flip, unused, unused > 0, unused)
        outputs = network.apply(variables, batch)
        return jax.nn.softmax(outputs.logits), outputs.attention, {}

    labels = tuple(f"class {i}" for i in range(train_step.CLASSES))
    variables = train_step.initial(case)
    return artifact.Artifact(labels, used, {}, {"snippets": program}, variables)


def spent(predict: Callable[[], list], repeats: int) -> str:
    """Median ms of a prediction, and of its parts."""
    runs = []
    for _ in range(repeats):
        started = time.perf_counter()
        (prediction,) = predict()
        total = time.perf_counter() - started
        runs.append((total, *vars(prediction.timings).values()))
    total, _, flow, network = 1e3 * np.median(runs, axis=0)
    return f"{total:.0f} ms, of which flow {flow:.0f} ms, network {network:.0f} ms"


if __name__ == "__main__":
    main()
