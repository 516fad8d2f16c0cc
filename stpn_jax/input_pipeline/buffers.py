"""Large arrays whose memory is used again, since fresh memory is slow.

The system hands out the memory of a batch page by page, zeroed, at the first touch of
each, and takes it back when the batch is gone.
"""

import math
import sys
import threading

import numpy as np
from jaxtyping import UInt8

_UNUSED = 2
"""References to an owner that no array uses: the list's and that of the question."""


class Buffers:
    """Makes arrays in memory that no other array uses any more; for many threads."""

    def __init__(self) -> None:
        self._owners: list[np.ndarray] = []
        self._lock = threading.Lock()

    def empty(self, shape: tuple[int, ...]) -> UInt8[np.ndarray, "..."]:
        """An array of whatever bytes there are, as numpy.empty gives one.

        Its memory is taken again when neither it nor a view of it is held: the base
        of all views is the owner that is kept here.
        """
        size = math.prod(shape)
        with self._lock:
            free = [i for i in range(len(self._owners)) if self._is_free(i)]
            for i in free:
                if self._owners[i].size == size:
                    return self._owners[i].reshape(shape)
            # What is free and of another size is of another stage.
            self._owners = [o for i, o in enumerate(self._owners) if i not in free]
            self._owners.append(np.empty(size, np.uint8))
            return self._owners[-1].reshape(shape)

    def _is_free(self, index: int) -> bool:
        return sys.getrefcount(self._owners[index]) == _UNUSED
