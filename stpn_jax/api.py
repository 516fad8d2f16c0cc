"""The Python API: predictions of an exported network for videos.

classifier = stpn_jax.Classifier.load("artifact")
answer = classifier.classify("video.mp4")
print(answer.labels[0], answer.probabilities[0])
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, overload

import numpy as np
from etils import epath
from jaxtyping import Float, UInt8

from stpn_jax.export import artifact
from stpn_jax.inference import engine
from stpn_jax.inference.engine import Options
from stpn_jax.inference.predictions import Answer, Failure
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

        Args:
            path: folder of the artifact.
            dtype: of the activations: float32 or bfloat16.
            fast: a faster optical flow, one view and at most three snippets a video.

        Raises:
            UsageError: the artifact is incomplete or does not run here, and why.
        """
        model = artifact.load(path, dtype)
        return cls(engine.fast(model) if fast else model)

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names in the order of `Answer.distribution`."""
        return self.model.labels

    @property
    def card(self) -> Mapping[str, Any]:
        """What the exporter wrote about the network."""
        return self.model.card

    @overload
    def classify(self, videos: Given, **options: Any) -> Answer: ...
    @overload
    def classify(self, videos: Iterable[Given], **options: Any) -> list[Answer]: ...
    def classify(
        self, videos: Given | Iterable[Given], **options: Any
    ) -> Answer | list[Answer]:
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
        for answer in engine.answers(self.model, given, _checked(options), many):
            if isinstance(answer, Failure):
                raise VideoError(f"{answer.video}: {answer.reason}")
            found.append(answer)
        return found if many else found[0]

    def stream(
        self, videos: Iterable[Given], **options: Any
    ) -> Iterator[Answer | Failure]:
        """Predicts any number of videos, in order, without loading all at once.

        Args:
            videos: paths or frames; taken one after the other.
            **options: as of `classify`.

        Yields:
            An Answer, or a Failure with the reason, for each video.

        Raises:
            UsageError: an option is wrong.
        """
        return engine.answers(self.model, videos, _checked(options))

    def features(
        self, videos: Given | Iterable[Given], **options: Any
    ) -> Features | list[Features]:
        """Vectors by name (spatial, temporal, attended, fused) of a video or of each.

        They are averages over snippets and views; arguments are those of `classify`.
        """
        found = self.classify(videos, **options)
        if isinstance(found, Answer):
            return found.features
        return [answer.features for answer in found]

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
    checked: dict[str, Any] = {
        name: (_whole if name in ("top_k", "snippets") else _above_zero)(name, value)
        for name, value in options.items()
        if value is not None
    }
    return Options(**checked)


def _whole(name: str, value: Any) -> int:
    is_whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not (is_whole and value >= 1):
        raise UsageError(f"{name} = {value!r}: expected a whole number from 1")
    return int(value)


def _above_zero(name: str, value: Any) -> float:
    is_number = isinstance(value, int | float | np.number)
    if not (is_number and 0 < value < float("inf")):
        raise UsageError(f"{name} = {value!r}: expected a number above 0")
    return float(value)
