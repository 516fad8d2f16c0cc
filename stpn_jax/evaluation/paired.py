"""An exact test of whether two rows differ on the same videos."""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool


class Paired(NamedTuple):
    """McNemar's test.

    Attributes:
        only_first: videos that the first row alone has right.
        only_second: videos that the second row alone has right.
        p: chance of so uneven a pair, or a more uneven one, if neither were better.
    """

    only_first: int
    only_second: int
    p: float


def mcnemar(first: Bool[np.ndarray, "n"], second: Bool[np.ndarray, "n"]) -> Paired:
    """Exact two-sided McNemar test: the sign test over the videos that tell them apart.

    p = min(1, 2 sum_{i <= min(b, c)} C(b + c, i) / 2^(b + c)), where b and c videos are
    right in one row alone (McNemar 1947).

    Args:
        first: which videos a row has right.
        second: the same of another row.
    """
    b, c = int(np.sum(first & ~second)), int(np.sum(second & ~first))
    tail = sum(math.comb(b + c, i) for i in range(min(b, c) + 1))
    return Paired(b, c, min(1.0, 2 * tail / 2 ** (b + c)))
