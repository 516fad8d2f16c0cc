"""The Python API: an exported network that is asked about videos.

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
from stpn_jax.inference.predictions import Failure, Prediction
from stpn_jax.utils.errors import UsageError
from stpn_jax.video.decoding import VideoError

Given = str | os.PathLike[str] | UInt8[np.ndarray, "t y x 3"]
"""A path of a video file, or RGB frames."""

Features = dict[str, Float[np.ndarray, "_"]]


class Classifier:
    """Classifies videos by an exported network.

    Attributes:
        labels: class names in the order of `Prediction.distribution`.
        card: what the exporter wrote about the network.
    """

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
            fast: a faster optical flow, one view and at most three snippets a video,
                for processors that have to answer soon.

        Raises:
            UsageError: it does not; the message says why.
        """
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
        """What the network says of a video, or of each of several.

        Long videos are looked at by windows; their answers have a timeline.

        Args:
            videos: a path or frames; or several of them.
            **options: fields of Options: top_k=5, snippets (10, as evaluated), window
                (seconds), limit (seconds), rate (of frames in memory).

        Raises:
            VideoError: one of them cannot be read; the message says why.
            UsageError: an option is wrong.
        """
        found = [
            _answered(answer)
            for answer in self._stream(_several(videos), options, many=_many(videos))
        ]
        return found if _many(videos) else found[0]

    def stream(
        self, videos: Iterable[Given], **options: Any
    ) -> Iterator[Prediction | Failure]:
        """Answers as they come, in order, for any number of videos.

        Args:
            videos: paths or frames; taken one after the other.
            **options: as of `classify`.

        Yields:
            An Prediction, or a Failure with the reason, for each video.

        Raises:
            UsageError: an option is wrong.
        """
        return self._stream(videos, options, many=True)

    def features(
        self, videos: Given | Iterable[Given], **options: Any
    ) -> Features | list[Features]:
        """Vectors by name (spatial, temporal, attended, fused) of a video or of each.

        Args:
            videos: as of `classify`.
            **options: as of `classify`.

        Returns:
            Averages over snippets and views.
        """
        found = self.classify(videos, **options)
        if isinstance(found, Prediction):
            return found.features
        return [answer.features for answer in found]

    def warm_up(self) -> None:
        """Compiles what `classify` needs for one video, so that the next is fast."""
        width, height = self.model.preprocessing.size
        rng = np.random.default_rng(0)
        self.classify(rng.integers(0, 256, (64, height, width, 3), dtype=np.uint8))

    def _stream(
        self, videos: Iterable[Given], options: dict[str, Any], many: bool
    ) -> Iterator[Prediction | Failure]:
        return engine.predict(self.model, videos, _checked(options), many)


def _many(videos: Any) -> bool:
    """Whether several videos were given."""
    is_path = isinstance(videos, str | epath.Path) or hasattr(videos, "__fspath__")
    is_array = hasattr(videos, "__array__")
    return not (is_path or is_array) and isinstance(videos, Iterable)


def _several(videos: Any) -> Iterable[Any]:
    return videos if _many(videos) else [videos]


def _answered(answer: Prediction | Failure) -> Prediction:
    if isinstance(answer, Failure):
        raise VideoError(f"{answer.video}: {answer.reason}")
    return answer


def _checked(options: dict[str, Any]) -> Options:
    """Raises UsageError for unknown names and values that cannot be."""
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
