"""Folders of numbered images, as programs that extract frames and flow write them.

Known are, with numbers from 0 or 1 and of any width, .jpg, .jpeg or .png:

    CLIP/img_00001.jpg, CLIP/flow_x_00001.jpg, CLIP/flow_y_00001.jpg
    CLIP/flow_x/00001.jpg and CLIP/flow_y/00001.jpg; also u and v, x and y
    u/CLIP/frame000001.jpg and v/CLIP/frame000001.jpg; also flow_x and flow_y, x and y

where CLIP is the clip's folder, with or without the one of its class above it. The
first is how dense_flow, denseflow and so TSN and MMAction write; the last is how the
flow of twostreamfusion is published.
"""

import itertools
import re
from collections.abc import Mapping

from etils import epath

from stpn_jax.data import video

_NUMBERED = re.compile(r"(.*?)[-_.]?(\d+)\.(?:jpe?g|png)", re.IGNORECASE)
_AXES = (("flow_x", "flow_y"), ("u", "v"), ("x", "y"), ("flow_u", "flow_v"))
_ALONE = ("", "frame", "img", "image")
"""What the images of a folder of one kind may be called."""

_KINDS: dict[str, tuple[str, ...]] = {
    "frames": ("img", "image", "frame", "im", "rgb", ""),
    "flow in x": tuple(x for x, _ in _AXES),
    "flow in y": tuple(y for _, y in _AXES),
}


def frames(folder: epath.PathLike) -> list[epath.Path]:
    """The frames of a clip in their order.

    Args:
        folder: of the clip; flow may lie beside them.

    Raises:
        VideoError: there are none, or a number is missing or there twice.
    """
    return _series(epath.Path(folder), "frames", _KINDS["frames"])


def flow(root: epath.PathLike, clip: str) -> tuple[list[epath.Path], list[epath.Path]]:
    """The images of the flow in x and in y.

    Args:
        root: folder of the flow of all clips.
        clip: path of the clip's folder, of which any end may be what root has.

    Raises:
        VideoError: there are none, a number is missing or there twice, or x and y
            are not equally many.
    """
    folders = _flow_folders(epath.Path(root), clip)
    alone = _ALONE if folders[0] != folders[1] else ()
    kinds = ("flow in x", "flow in y")
    x, y = (
        _series(folder, kind, _KINDS[kind] + alone)
        for folder, kind in zip(folders, kinds, strict=True)
    )
    if len(x) != len(y):
        raise video.VideoError(
            f"{len(x)} images of flow in x and {len(y)} in y: {x[0].parent}"
        )
    return x, y


def _flow_folders(root: epath.Path, clip: str) -> tuple[epath.Path, epath.Path]:
    """The folders of x and y, which may be the same."""
    parts = clip.split("/")
    ends = ["/".join(parts[start:]) for start in range(len(parts))]
    for end in ends:
        pairs = [(root / x / end, root / y / end) for x, y in _AXES]
        pairs += [(root / end / x, root / end / y) for x, y in _AXES]
        for pair in (*pairs, (root / end, root / end)):
            if all(folder.is_dir() for folder in pair):
                return pair
    raise video.VideoError(f"{root} has no folder {' or '.join(ends)} with its flow")


def _series(
    folder: epath.Path, kind: str, prefixes: tuple[str, ...]
) -> list[epath.Path]:
    """The images of a kind, sorted by number."""
    found = _by_prefix(folder)
    for prefix in prefixes:
        if images := found.get(prefix):
            return _complete(images)
    names = ", ".join(f"{prefix or '...'}_00001.jpg" for prefix in prefixes[:2])
    raise video.VideoError(
        f"{folder} has no {kind}: files such as {names} are expected"
    )


def _by_prefix(folder: epath.Path) -> dict[str, dict[int, epath.Path]]:
    """What comes before the number -> number -> file."""
    if not folder.is_dir():
        raise video.VideoError(f"there is no folder {folder}")
    found: dict[str, dict[int, epath.Path]] = {}
    for path in sorted(folder.iterdir()):
        if match := _NUMBERED.fullmatch(path.name):
            images = found.setdefault(match[1].lower(), {})
            number = int(match[2])
            if number in images:
                raise video.VideoError(
                    f"{folder} has {images[number].name} and {path.name}: one image of "
                    "each number is expected"
                )
            images[number] = path
    return found


def _complete(images: Mapping[int, epath.Path]) -> list[epath.Path]:
    numbers = sorted(images)
    for number, after in itertools.pairwise(numbers):
        if after != number + 1:
            raise video.VideoError(
                f"image {number + 1} is missing between {images[number]} and "
                f"{images[after].name}"
            )
    return [images[number] for number in numbers]
