"""The Python API: predictions of an exported network for videos.

classifier = stpn_jax.Classifier.load("artifact")
prediction = classifier.classify("video.mp4")
print(prediction.labels[0], prediction.probabilities[0])
"""

import math
import numbers
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, overload

import numpy as np
from etils import epath
from jaxtyping import Float, UInt8

from stpn_jax.export import artifact
from stpn_jax.inference import engine
from stpn_jax.inference.engine import Options
from stpn_jax.inference.predictions import Failure, Prediction
from stpn_jax.utils import compilation_cache
from stpn_jax.utils.errors import UsageError
from stpn_jax.video.decoding import VideoError

Given = str | os.PathLike[str] | UInt8[np.ndarray, "t y x 3"]
"""A path of a video file, or RGB frames."""

Features = dict[str, Float[np.ndarray, "_"]]


class Classifier:
    """Classifies videos by an exported network."""

    def __init__(self, model: artifact.Artifact):
        """Args: model: a loaded artifact."""
        self.model = model

    @classmethod
    def load(
        cls, path: epath.PathLike, dtype: str = "float32", fast: bool = False
    ) -> "Classifier":
        """Reads an artifact and checks that it is whole and runs here.

        Compiled programs are kept in ~/.cache/stpn_jax, unless JAX has a folder.

        Args:
            path: folder of the artifact.
            dtype: of the activations: float32 or bfloat16.
            fast: a faster optical flow, one crop and at most three snippets a video.

        Raises:
            UsageError: the artifact is incomplete or does not run here, and why.
        """
        compilation_cache.enable()
        model = artifact.load(path, dtype)
        return cls(engine.fast(model) if fast else model)

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names in the order of `Prediction.distribution`."""
        return self.model.labels

    @property
    def card(self) -> Mapping[str, Any]:
        """What the exporter wrote about the network."""
        return self.model.card

    @overload
    def classify(self, videos: Given, **options: Any) -> Prediction: ...
    @overload
    def classify(self, videos: Iterable[Given], **options: Any) -> list[Prediction]: ...
    def classify(
        self, videos: Given | Iterable[Given], **options: Any
    ) -> Prediction | list[Prediction]:
        """Predicts a video, or each of several.

        Long videos are split into windows and get a timeline.

        Args:
            videos: a path or frames; or several of them.
            **options: fields of Options: top_k=5, snippets (10, as evaluated), window
                (seconds), limit (seconds), rate (of frames in memory).

        Raises:
            VideoError: one of them cannot be read, and why.
            UsageError: an option is wrong.
        """
        many = _is_many(videos)
        given: Any = videos if many else [videos]
        found = []
        for prediction in engine.predict(self.model, given, _checked(options), many):
            if isinstance(prediction, Failure):
                raise VideoError(f"{prediction.video}: {prediction.reason}")
            found.append(prediction)
        return found if many else found[0]

    def stream(
        self, videos: Iterable[Given], **options: Any
    ) -> Iterator[Prediction | Failure]:
        """Predicts any number of videos, in order, without loading all at once.

        Args:
            videos: paths or frames; taken one after the other.
            **options: as of `classify`.

        Yields:
            A Prediction, or a Failure with the reason, for each video.

        Raises:
            UsageError: an option is wrong.
        """
        return engine.predict(self.model, videos, _checked(options))

    def features(
        self, videos: Given | Iterable[Given], **options: Any
    ) -> Features | list[Features]:
        """Vectors by name (spatial, temporal, attended, fused) of a video or of each.

        They are averages over snippets and crops; arguments are those of `classify`.
        """
        found = self.classify(videos, **options)
        if isinstance(found, Prediction):
            return found.features
        return [prediction.features for prediction in found]

    def warm_up(self) -> None:
        """Compiles what `classify` needs, so that the first video is fast."""
        width, height = self.model.preprocessing.size
        rng = np.random.default_rng(0)
        self.classify(rng.integers(0, 256, (64, height, width, 3), dtype=np.uint8))


def _is_many(videos: Any) -> bool:
    """Whether several videos are given."""
    is_path = isinstance(videos, str | epath.Path) or hasattr(videos, "__fspath__")
    is_array = hasattr(videos, "__array__")
    return not (is_path or is_array) and isinstance(videos, Iterable)


def _checked(options: dict[str, Any]) -> Options:
    """Raises UsageError for unknown names and invalid values."""
    unknown = options.keys() - Options.__dataclass_fields__.keys()
    if unknown:
        known = ", ".join(Options.__dataclass_fields__)
        raise UsageError(f"{min(unknown)}: no such option; known are {known}")
    return Options(**{n: _number(n, v) for n, v in options.items() if v is not None})


def _number(name: str, value: Any) -> Any:
    is_whole = name in ("top_k", "snippets")
    kind = numbers.Integral if is_whole else numbers.Real
    is_number = isinstance(value, kind) and not isinstance(value, bool)
    if not (is_number and 0 < value < math.inf):
        expected = "a whole number from 1" if is_whole else "a number above 0"
        raise UsageError(f"{name} = {value!r}: expected {expected}")
    return int(value) if is_whole else float(value)
