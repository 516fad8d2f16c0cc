"""The tensorflow-datasets builder that packs finished clips into TFRecord files.

TensorFlow itself is loaded when a builder writes, and not before.
"""

import abc
import contextlib
import dataclasses
import importlib
import importlib.util
import io
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
import tqdm
from etils import epath

from stpn_jax.datasets import listing
from stpn_jax.prepare import clips, encoding
from stpn_jax.records import records
from stpn_jax.utils.errors import UsageError


@dataclasses.dataclass(frozen=True)
class Options:
    """Where the clips are, and how those without official splits are split.

    Attributes:
        videos: folder of the clips.
        splits: folder of the official lists, or empty.
        test_fraction: of the clips of a class, where there is no other split.
        seed: draws those.
        folders: whether a clip is a folder of images and no video file.
    """

    videos: str
    splits: str
    test_fraction: float
    seed: int
    folders: bool = False


class VideoRecords(  # type: ignore[call-arg]
    tfds.core.GeneratorBasedBuilder, skip_registration=True
):
    """Writes one example a video, in one tfds split for each place in the splits.

    An official split is the sum of several: 'train_test_none' and 'train_none_none'
    both belong to the training part of split 1.
    """

    VERSION = tfds.core.Version(records.VERSION)
    HOMEPAGE = ""
    CITATION = ""
    # tfds looks for a list of download checksums beside the code; there is none, and
    # looking needs importlib_resources, which is not among its requirements.
    code_path = None

    def __init__(
        self,
        data_dir: epath.PathLike,
        meta: records.Meta,
        examples: Sequence[tuple[listing.Clip, str]],
    ):
        self._meta = meta
        self._examples = sorted(examples, key=lambda example: example[0].name)
        super().__init__(data_dir=os.fspath(data_dir), file_format="tfrecord")

    @staticmethod
    @abc.abstractmethod
    def list_clips(options: Options) -> listing.Listing:
        """The clips of a folder of this data set."""

    def _info(self) -> tfds.core.DatasetInfo:
        width, height = self._meta.size
        colour = tfds.features.Image(shape=(height, width, 3), encoding_format="jpeg")
        grey = tfds.features.Image(shape=(height, width, 1), encoding_format="jpeg")
        features = {
            "name": tfds.features.Text(),
            "label": tfds.features.ClassLabel(names=list(self._meta.classes)),
            "group": tfds.features.Text(),
            "source": tfds.features.Text(),
            "num_frames": tfds.features.Scalar(dtype=np.int64),
            "frames": tfds.features.Sequence(colour),
            "flow_x": tfds.features.Sequence(grey),
            "flow_y": tfds.features.Sequence(grey),
        }
        return tfds.core.DatasetInfo(
            builder=self,
            description=self.__doc__ or "",
            features=tfds.features.FeaturesDict(features),
            homepage=self.HOMEPAGE,
            citation=self.CITATION,
        )

    def _split_generators(self, _: tfds.download.DownloadManager) -> dict[str, Any]:
        names = sorted({"_".join(clip.membership) for clip, _ in self._examples})
        return {name: self._generate_examples(name) for name in names}

    def _generate_examples(self, split: str) -> Iterator[tuple[str, dict[str, Any]]]:
        chosen = [e for e in self._examples if "_".join(e[0].membership) == split]
        for clip, cache in tqdm.tqdm(
            chosen, split, unit="clip", leave=False, disable=None
        ):
            yield clip.name, self._example(clip, clips.load(cache))

    def _example(self, clip: listing.Clip, encoded: encoding.Encoded) -> dict[str, Any]:
        return {
            "name": clip.name,
            "label": self._meta.classes.index(clip.label),
            "group": self._meta.groups.get(clip.label, ""),
            "source": clip.source,
            "num_frames": len(encoded.frames),
            "frames": encoded.frames,
            "flow_x": encoded.flow_x,
            "flow_y": encoded.flow_y,
        }


def require_tensorflow() -> None:
    """Makes TensorFlow quiet, before anything loads it.

    Raises:
        UsageError: it is not there; better now than after hours of flow.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    if importlib.util.find_spec("tensorflow") is None:
        raise UsageError(
            "prepare packs its records with TensorFlow, which is not installed; get it "
            "by `pip install tensorflow-cpu` (`tensorflow` where that does not exist)"
        )


def write(builder: VideoRecords) -> Mapping[str, list[epath.Path]]:
    """Writes all the records.

    Returns:
        tfds split -> its files.
    """
    tfds.disable_progress_bar()
    _make_deterministic()
    config = tfds.download.DownloadConfig(try_download_gcs=False)
    with (
        tempfile.TemporaryDirectory() as downloads,
        contextlib.redirect_stdout(io.StringIO()),
    ):
        builder.download_and_prepare(download_dir=downloads, download_config=config)
    return {
        name: [epath.Path(path) for path in split.filepaths]
        for name, split in builder.info.splits.items()
    }


def _make_deterministic() -> None:
    """Lets the same clips give the same bytes.

    An Example is a map, whose fields protobuf writes in the order of a hash with a
    random seed unless it is told to sort them, and tfds has no option for that.
    """
    serializer = importlib.import_module(
        "tensorflow_datasets.core.example_serializer"
    ).ExampleSerializer

    def serialize_example(self: Any, example: Any) -> bytes:
        found = self.get_tf_example(example)
        return bytes(found.SerializeToString(deterministic=True))

    serializer.serialize_example = serialize_example
