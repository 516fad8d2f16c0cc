"""Folders of numbered images, as programs that extract frames and flow write them.

These layouts are known, with numbers of any width from 0 or 1, in .jpg, .jpeg or .png:

    CLIP/img_00001.jpg, CLIP/flow_x_00001.jpg, CLIP/flow_y_00001.jpg
    CLIP/flow_x/00001.jpg and CLIP/flow_y/00001.jpg; also u and v, x and y
    u/CLIP/frame000001.jpg and v/CLIP/frame000001.jpg; also flow_x and flow_y, x and y

where CLIP is the clip's folder, with or without its class folder above it. All clips of
a data set have the same layout. dense_flow, denseflow and so TSN and MMAction write the
first; the flow of twostreamfusion is published in the last.
"""

import itertools
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from etils import epath

from stpn_jax.utils.errors import UsageError
from stpn_jax.video import decoding

_NUMBERED = re.compile(r"(.*?)[-_.]?(\d+)\.(?:jpe?g|png)", re.IGNORECASE)
_AXES = (("flow_x", "flow_y"), ("u", "v"), ("x", "y"), ("flow_u", "flow_v"))
_LAYOUTS = (
    ("{}/flow_x", "{}/flow_y"),
    ("flow_x/{}", "flow_y/{}"),
    ("{}/u", "{}/v"),
    ("u/{}", "v/{}"),
    ("{}/x", "{}/y"),
    ("x/{}", "y/{}"),
    ("{}/flow_u", "{}/flow_v"),
    ("flow_u/{}", "flow_v/{}"),
    ("{}", "{}"),
)
"""Folders of flow components x and y; {} is the clip's path or its last parts."""

_ALONE = ("", "frame", "img", "image")
"""Further prefixes of images in a folder that has one component alone."""

_FRAMES = ("img", "image", "frame", "im", "rgb", "")
_TRIED = 64  # evenly chosen clips on which the layouts are tried


class FlowFolders(NamedTuple):
    """The folders of a clip's flow components x and y, which may be the same."""

    x: str
    y: str


def locate(root: epath.PathLike, clips: Sequence[str]) -> list[FlowFolders]:
    """The flow folders of each clip, whether they exist, in the layout found in root.

    Root may have any number of the last parts of the clips' paths.

    Raises:
        UsageError: no layout has any of the clips, or two clips would share a folder.
    """
    root = epath.Path(root)
    if not root.is_dir():
        raise UsageError(f"--flow={root}: there is no such folder")
    sample = clips[:: max(1, len(clips) // _TRIED)][:_TRIED]
    depth = max(len(clip.split("/")) for clip in clips)

    def folders(layout: tuple[int, str, str], clip: str) -> FlowFolders:
        parts, x, y = layout
        end = "/".join(clip.split("/")[-parts:])
        return FlowFolders(str(root / x.format(end)), str(root / y.format(end)))

    found = {
        layout: sum(_has_flow(folders(layout, clip)) for clip in sample)
        for layout in ((n, *axes) for n in range(depth, 0, -1) for axes in _LAYOUTS)
    }
    shared = ""
    for layout in sorted(found, key=lambda layout: -found[layout]):
        if not found[layout]:
            break
        located = [folders(layout, clip) for clip in clips]
        if not (doubles := _doubles(located, clips)):
            return located
        shared = shared or doubles
    if shared:
        raise UsageError(f"--flow={root}: {shared}; give each clip a folder of its own")
    raise UsageError(
        f"--flow={root} has no flow of any clip, such as {clips[0]}: searched "
        "below it with and without the folders in the clip's name, for images such as "
        "flow_x_00001.jpg and for folders such as u and v"
    )


def _has_flow(folders: FlowFolders) -> bool:
    x, y = map(epath.Path, folders)
    if x != y:
        return x.is_dir() and y.is_dir()
    if not x.is_dir():
        return False
    matches = (_NUMBERED.fullmatch(path.name) for path in x.iterdir())
    prefixes = {match[1].lower() for match in matches if match}
    return any(prefixes & set(axes) for axes in _AXES)


def _doubles(folders: Sequence[FlowFolders], clips: Sequence[str]) -> str:
    """Names two clips that would share a folder of flow; empty if none do."""
    (most, count), *_ = Counter(folders).most_common(1)
    if count == 1:
        return ""
    pair = [clip for clip, own in zip(clips, folders, strict=True) if own == most][:2]
    return f"{most.x} would be the flow of both {' and '.join(pair)}"


def frames(folder: epath.PathLike) -> list[epath.Path]:
    """The frames in a clip's folder, which may also hold flow, in their order.

    Raises:
        VideoError: there are none, or a number is missing or occurs twice.
    """
    found = _by_prefix(epath.Path(folder))
    prefix = next((prefix for prefix in _FRAMES if prefix in found), None)
    if prefix is None:
        raise decoding.VideoError(
            f"{folder} has no frames: files such as img_00001.jpg or image_00001.jpg "
            "are expected"
        )
    return list(_complete(found[prefix]).values())


def flow(folders: FlowFolders) -> tuple[list[epath.Path], list[epath.Path]]:
    """The images of flow components x and y, with the same numbers in both.

    Raises:
        VideoError: there are none or of several layouts, or their numbers do not fit.
    """
    parts = [_by_prefix(epath.Path(folder)) for folder in folders]
    names = list(_AXES)
    if folders.x != folders.y:
        names += [(name, name) for name in _ALONE]
    names = [(x, y) for x, y in names if x in parts[0] or y in parts[1]]
    if not names:
        raise decoding.VideoError(
            f"{folders.x} has no flow: files such as flow_x_00001.jpg are expected"
        )
    if len(names) > 1:
        raise decoding.VideoError(
            f"{folders.x} has flow of two layouts: {names[0][0]}_ and {names[1][0]}_"
        )
    pairs = zip(parts, names[0], strict=True)
    x, y = (_complete(part.get(name, {})) for part, name in pairs)
    if unpaired := sorted(x.keys() ^ y.keys()):
        axis = "x" if unpaired[0] in x else "y"
        raise decoding.VideoError(
            f"{len(x)} images of flow in x and {len(y)} in y: image {unpaired[0]} "
            f"occurs in {axis} alone ({folders.x})"
        )
    return list(x.values()), list(y.values())


def _by_prefix(folder: epath.Path) -> dict[str, dict[int, list[epath.Path]]]:
    """Prefix of the file name -> number -> files."""
    if not folder.is_dir():
        raise decoding.VideoError(f"there is no folder {folder}")
    found: dict[str, dict[int, list[epath.Path]]] = {}
    for path in sorted(folder.iterdir()):
        if match := _NUMBERED.fullmatch(path.name):
            images = found.setdefault(match[1].lower(), {})
            images.setdefault(int(match[2]), []).append(path)
    return found


def _complete(images: Mapping[int, list[epath.Path]]) -> dict[int, epath.Path]:
    """Number -> image, in the order of the numbers, which must have no gaps."""
    for number in images:
        if len(images[number]) > 1:
            one, other, *_ = images[number]
            raise decoding.VideoError(
                f"{one.parent} has {one.name} and {other.name}: one image of each "
                "number is expected"
            )
    for number, after in itertools.pairwise(sorted(images)):
        if after != number + 1:
            raise decoding.VideoError(
                f"image {number + 1} is missing between {images[number][0]} and "
                f"{images[after][0].name}"
            )
    return {number: images[number][0] for number in sorted(images)}
