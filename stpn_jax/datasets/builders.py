"""One file for each data set: how its clips are listed, and its tfds builder."""

from stpn_jax.datasets import folder, hmdb51, ucf101
from stpn_jax.datasets.video_records import (
    Options,
    VideoRecords,
    require_tensorflow,
    write,
)

BUILDERS: dict[str, type[VideoRecords]] = {
    "ucf101": ucf101.Ucf101,
    "hmdb51": hmdb51.Hmdb51,
    "folder": folder.Folder,
}

__all__ = ["BUILDERS", "Options", "VideoRecords", "require_tensorflow", "write"]
