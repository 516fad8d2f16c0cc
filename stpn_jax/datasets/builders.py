"""The tensorflow-datasets builder of each data set: packs clips into TFRecord files.

TensorFlow itself is loaded only when a builder writes.
"""

import collections
import contextlib
import functools
import importlib
import io
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow_datasets as tfds
import tqdm
from etils import epath

from stpn_jax.datasets import folder, listing, official_splits
from stpn_jax.records import records
from stpn_jax.utils import errors


class Example(NamedTuple):
    """A clip and the function that loads its JPEG files, by names of records.IMAGES."""

    clip: listing.Clip
    load: Callable[[], Mapping[str, Sequence[bytes]]]


class VideoRecords(  # type: ignore[call-arg]
    tfds.core.GeneratorBasedBuilder, skip_registration=True
):
    """Writes one example a video, in one tfds split for each place in the splits.

    An official split is the sum of several tfds splits: 'train_test_none' and
    'train_none_none' both belong to the training part of split 1.
    """

    VERSION = tfds.core.Version(records.VERSION)
    HOMEPAGE = ""
    CITATION = ""
    # By default tfds searches for a list of download checksums beside the code. There
    # is none, and the search needs importlib_resources, which tfds does not require.
    code_path = None

    def __init__(
        self, data_dir: epath.PathLike, meta: records.Meta, examples: Sequence[Example]
    ):
        self._meta = meta
        self._examples = sorted(examples, key=lambda example: example.clip.name)
        super().__init__(data_dir=os.fspath(data_dir), file_format="tfrecord")

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
        by_place = collections.defaultdict(list)
        for example in self._examples:
            by_place["_".join(example.clip.membership)].append(example)
        return {
            place: self._generate_examples(place, examples)
            for place, examples in sorted(by_place.items())
        }

    def _generate_examples(
        self, place: str, examples: Sequence[Example]
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        bar = tqdm.tqdm(examples, place, unit="clip", leave=False, disable=None)
        for clip, load in bar:
            images = load()
            fields = {
                "name": clip.name,
                "label": self._meta.classes.index(clip.label),
                "group": self._meta.groups.get(clip.label, ""),
                "source": clip.source,
                "num_frames": len(images["frames"]),
                **{name: images[name] for name in records.IMAGES},
            }
            yield clip.name, fields


class Ucf101(VideoRecords, skip_registration=True):  # type: ignore[call-arg]
    """Frames and TV-L1 flow of UCF101, one example a video."""

    HOMEPAGE = "https://www.crcv.ucf.edu/data/UCF101.php"
    CITATION = """@article{soomro2012ucf101,
  title={UCF101: A Dataset of 101 Human Actions Classes From Videos in The Wild},
  author={Soomro, Khurram and Zamir, Amir Roshan and Shah, Mubarak},
  journal={arXiv:1212.0402},
  year={2012}
}"""


class Hmdb51(VideoRecords, skip_registration=True):  # type: ignore[call-arg]
    """Frames and TV-L1 flow of HMDB51, one example a video."""

    HOMEPAGE = (
        "https://serre-lab.clps.brown.edu/resource/hmdb-a-large-human-motion-database/"
    )
    CITATION = """@inproceedings{kuehne2011hmdb,
  title={HMDB: A Large Video Database for Human Motion Recognition},
  author={Kuehne, H. and Jhuang, H. and Garrote, E. and Poggio, T. and Serre, T.},
  booktitle={International Conference on Computer Vision},
  year={2011}
}"""


class Folder(VideoRecords, skip_registration=True):  # type: ignore[call-arg]
    """Frames and TV-L1 flow of a folder of videos, one example a video."""


BUILDERS: dict[str, type[VideoRecords]] = {
    "ucf101": Ucf101,
    "hmdb51": Hmdb51,
    "folder": Folder,
}

LIST_CLIPS: dict[str, Callable[[listing.Options], listing.Listing]] = {
    "ucf101": functools.partial(listing.official, official_splits.ucf101),
    "hmdb51": functools.partial(listing.official, official_splits.hmdb51),
    "folder": folder.list_clips,
}


def require_tensorflow() -> None:
    """Silences TensorFlow's log before it is loaded.

    Raises:
        ModuleNotFoundError: it is not installed; better now than after hours of flow.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    errors.require("tensorflow")


def write(builder: VideoRecords) -> Mapping[str, list[epath.Path]]:
    """Writes all the records; tfds split -> its files."""
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
    """Makes the same clips give the same bytes.

    An Example is a map. protobuf writes its fields in the order of a hash with a
    random seed unless it is asked to sort them, and tfds has no option for that.
    """

    def serialize_example(self: Any, example: Any) -> bytes:
        found = self.get_tf_example(example)
        return bytes(found.SerializeToString(deterministic=True))

    module = importlib.import_module("tensorflow_datasets.core.example_serializer")
    module.ExampleSerializer.serialize_example = serialize_example
