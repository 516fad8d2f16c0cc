"""Makes the golden files of tests/models/test_golden.py; needs torch.

    PYTHONPATH=tests python -m golden.make

The oracles of tests/parity run in float64, so that what is compared is our rounding.
"""

import json

import numpy as np
import torch
from parity import oracles
from reference import golden, random_weights

DRAW = golden.Draw(seed=5, number=3, side=97)
SAMPLES = {"map": 500, "trained_map": 500, "logits": 100}
STATISTICS_SAMPLES = 3


def make(row: str) -> dict[str, np.ndarray]:
    """The content of a backbone's golden file; reference/golden.py explains it."""
    tensors, values = {}, {}
    for channels in golden.WIDTHS:
        oracle = oracles.ORACLES[row](channels)
        tensors[channels] = _without_hidden_layers(row, oracle.shapes())
        oracle.put(
            random_weights.state_dict(tensors[channels], DRAW.seed), strict=False
        )
        oracle.module.double()
        values |= _evaluation(row, oracle, channels)
        if channels == golden.TRAINED_WIDTH and oracle.first_norm:
            values |= _training(oracle, channels)
    return {"tensors": np.array(json.dumps(tensors)), "draw": np.array(DRAW), **values}


def _without_hidden_layers(
    row: str, shapes: dict[str, tuple[int, ...]]
) -> dict[str, tuple[int, ...]]:
    if not row.startswith("vgg16"):
        return shapes
    return {n: s for n, s in shapes.items() if n.startswith("features")}


def _evaluation(
    row: str, oracle: oracles.Oracle, channels: int
) -> dict[str, np.ndarray]:
    images = DRAW.images(channels).astype(np.float64)
    feature_map = oracle.evaluate(images)
    values = _sample(f"{channels}/map", feature_map)
    if row.startswith("vgg16"):
        return values
    return values | _sample(f"{channels}/logits", oracle.logits(feature_map))


def _training(oracle: oracles.Oracle, channels: int) -> dict[str, np.ndarray]:
    before = oracle.state()
    feature_map, after = oracle.train(DRAW.images(channels).astype(np.float64))
    rows = [_moved(before[n], after[n]) for n in golden.running(after)]
    names = golden.running(after)
    pairs = zip(names, rows, strict=True)
    values = [after[name][positions] for name, positions in pairs]
    return {
        **_sample(f"{channels}/trained_map", feature_map),
        f"{channels}/statistics/positions": np.array(rows, np.uint16),
        f"{channels}/statistics/values": np.array(values, np.float32),
    }


def _moved(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Positions of the largest value, the largest step and a few others."""
    places = np.random.RandomState(len(after)).permutation(len(after))
    largest = np.abs(after).argmax(), np.abs(after - before).argmax()
    return np.array([*largest, *places[:STATISTICS_SAMPLES]])


def _sample(name: str, tensor: np.ndarray) -> dict[str, np.ndarray]:
    count = SAMPLES[name.split("/")[1]]
    positions = np.random.RandomState(count).permutation(tensor.size)[: count - 1]
    positions = np.append(positions, np.abs(tensor).argmax())
    return {
        f"{name}/positions": positions.astype(np.uint32),
        f"{name}/values": tensor.ravel()[positions].astype(np.float32),
    }


def main() -> None:
    """Writes all files."""
    torch.set_num_threads(2)
    for row in oracles.ORACLES:
        path = golden.FOLDER / f"{row}.npz"
        np.savez_compressed(path, **make(row))
        print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
