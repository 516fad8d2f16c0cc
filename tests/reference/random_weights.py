"""Random weights for a file's tensors, the same with torch and without it.

Sampled by numpy's RandomState, whose streams are fixed for good, from a seed and each
tensor's own name, so that neither order nor number of the tensors matters.
"""

import math
import re
import zlib
from collections.abc import Mapping

import numpy as np

# The last batch norm of a residual branch: a small slope keeps 50 sums in range.
BRANCH_END = re.compile(r".*\.(bn3|_bn2)\.weight")
# Every eighth channel of a batch norm has small values, as real ones do; where the
# epsilon is wrong, these show it.
SMALL = slice(None, None, 8)
SMALL_VARIANCE = 1e-3
# Layers every eighth channel of which is far from zero for its spread, so that a
# variance by the difference of two squares is wrong. The bias and the mean agree.
OFFSET = re.compile(r"(conv1_7x7_s2|inception_5b_1x1)(\.bias|_bn\.running_mean)")
FAR = slice(1, None, 8)
DISTANCE = 64
# Sides of the squares that test images are made of, in pixels.
BLOBS = (1, 8, 64)
PART = 1 << 16


def state_dict(
    shapes: Mapping[str, tuple[int, ...]], seed: int
) -> dict[str, np.ndarray]:
    """Weights and batch statistics that keep activations in range at any depth.

    Args:
        shapes: by torch's names: kernels of 2 or 4 axes, the rest vectors.
        seed: of the random numbers.
    """
    return {name: _tensor(name, shape, seed) for name, shape in shapes.items()}


def images(shape: tuple[int, int, int, int], seed: int) -> np.ndarray:
    """Normalised images `[n y x c]` that differ in the large as in the small.

    Of pixel noise alone all places are alike to deep layers, and the batch's variance
    there drowns in rounding.
    """
    number, rows, columns, channels = shape
    total = np.zeros(shape, np.float32)
    for side in BLOBS:
        coarse = number, -(-rows // side), -(-columns // side), channels
        noise = _uniform(_stream(f"images of {side}", seed), coarse, -1, 1)
        total += noise.repeat(side, 1).repeat(side, 2)[:, :rows, :columns]
    return total


def _tensor(name: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
    stream = _stream(name, seed)
    if name.endswith("num_batches_tracked"):
        return np.asarray(stream.randint(1000), np.int64)
    if len(shape) > 1:
        reach = (6 / np.prod(shape[1:])) ** 0.5
        return _uniform(stream, shape, -reach, reach)
    return _vector(name, shape, stream)


def _vector(
    name: str, shape: tuple[int, ...], stream: np.random.RandomState
) -> np.ndarray:
    if name.endswith("running_var"):
        variance = _uniform(stream, shape, 0.5, 2)
        variance[SMALL] *= SMALL_VARIANCE
        return variance
    if name.endswith(".weight"):
        slope = _uniform(stream, shape, 0.5, 1.5)
        slope[SMALL] *= SMALL_VARIANCE**0.5
        return slope * np.float32(0.25 if BRANCH_END.fullmatch(name) else 1)
    shift = _uniform(stream, shape, -0.5, 0.5)
    if OFFSET.fullmatch(name):
        shift[FAR] += DISTANCE
    return shift


def _stream(name: str, seed: int) -> np.random.RandomState:
    return np.random.RandomState([seed, zlib.crc32(name.encode())])


def _uniform(
    stream: np.random.RandomState, shape: tuple[int, ...], low: float, high: float
) -> np.ndarray:
    """In parts: the doubles of a hidden layer of VGG would fill a gigabyte."""
    values = np.empty(math.prod(shape), np.float32)
    for start in range(0, values.size, PART):
        part = values[start : start + PART]
        part[:] = stream.uniform(low, high, part.size)
    return values.reshape(shape)
