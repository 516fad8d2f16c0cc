"""Folders of numbered images, as programs that extract frames and flow write them.

Known are, with numbers from 0 or 1 and of any width, .jpg, .jpeg or .png:

    CLIP/img_00001.jpg, CLIP/flow_x_00001.jpg, CLIP/flow_y_00001.jpg
    CLIP/flow_x/00001.jpg and CLIP/flow_y/00001.jpg; also u and v, x and y
    u/CLIP/frame000001.jpg and v/CLIP/frame000001.jpg; also flow_x and flow_y, x and y

where CLIP is the clip's folder, with or without the one of its class above it; the flow
of all clips of a data set is laid out alike. The
first is how dense_flow, denseflow and so TSN and MMAction write; the last is how the
flow of twostreamfusion is published.
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
_ALONE = ("", "frame", "img", "image")
"""What the images of a folder of one component may be called besides."""

_FRAMES = ("img", "image", "frame", "im", "rgb", "")
_TRIED = 64  # clips, evenly chosen, by which a layout is found

COMPONENTS = frozenset({"flow_x", "flow_y", "flow_u", "flow_v"})
"""Folders of these names hold a component of flow and are no clips."""


class FlowFolders(NamedTuple):
    """Where the flow of a clip lies: the folders of x and of y, or twice the same."""

    x: str
    y: str


class _Layout(NamedTuple):
    """Where the flow of every clip lies below one folder.

    Attributes:
        parts: of a clip's path, counted from its end.
        axes: names of the folders of x and y; none if both lie in the clip's.
        inside: whether those are in the clip's folder, or it is in each of them.
    """

    parts: int
    axes: tuple[str, str] | None
    inside: bool

    def folders(self, root: epath.Path, clip: str) -> FlowFolders:
        end = "/".join(clip.split("/")[-self.parts :])
        if self.axes is None:
            return FlowFolders(str(root / end), str(root / end))
        pairs = [(end, one) if self.inside else (one, end) for one in self.axes]
        x, y = (str(root / above / below) for above, below in pairs)
        return FlowFolders(x, y)


def locate(root: epath.PathLike, clips: Sequence[str]) -> list[FlowFolders]:
    """Finds out how the flow of clips is laid out below a folder.

    Args:
        root: the folder.
        clips: paths of the clips, of which any end may be what root has.

    Returns:
        the folders of each clip, as the layout has them, there or not.

    Raises:
        UsageError: no layout has any of the clips, or two of them would share a folder.
    """
    root = epath.Path(root)
    if not root.is_dir():
        raise UsageError(f"--flow={root}: there is no such folder")
    sample = clips[:: max(1, len(clips) // _TRIED)][:_TRIED]
    depth = max(len(clip.split("/")) for clip in clips)
    choices = [(axes, inside) for axes in _AXES for inside in (True, False)]
    layouts = [
        _Layout(parts, *choice)
        for parts in range(depth, 0, -1)
        for choice in (*choices, (None, True))
    ]
    found = {
        layout: sum(_has_flow(layout.folders(root, clip)) for clip in sample)
        for layout in layouts
    }
    shared = ""
    for layout in sorted(layouts, key=lambda layout: -found[layout]):
        if not found[layout]:
            break
        folders = [layout.folders(root, clip) for clip in clips]
        if not (doubles := _doubles(folders, clips)):
            return folders
        shared = shared or doubles
    if shared:
        raise UsageError(f"--flow={root}: {shared}; give each clip a folder of its own")
    raise UsageError(
        f"--flow={root} has no flow of any clip, such as {clips[0]}: looked for below "
        f"it with the folders before the name and without, in images such as "
        "flow_x_00001.jpg or in folders such as u and v"
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
    """Names two clips that would get the flow of one folder."""
    (most, count), *_ = Counter(folders).most_common(1)
    if count == 1:
        return ""
    pair = [clip for clip, own in zip(clips, folders, strict=True) if own == most][:2]
    return f"{most.x} would be the flow of both {' and '.join(pair)}"


def frames(folder: epath.PathLike) -> list[epath.Path]:
    """The frames of a clip in their order.

    Args:
        folder: of the clip; flow may lie beside them.

    Raises:
        VideoError: there are none, or a number is missing or there twice.
    """
    found = _by_prefix(epath.Path(folder))
    prefix = next((prefix for prefix in _FRAMES if prefix in found), None)
    if prefix is None:
        raise decoding.VideoError(
            f"{folder} has no frames: files such as img_00001.jpg, image_00001.jpg are "
            "expected"
        )
    return list(_complete(found[prefix]).values())


def flow(folders: FlowFolders) -> tuple[list[epath.Path], list[epath.Path]]:
    """The images of the flow in x and in y, equally many and of equal numbers.

    Raises:
        VideoError: there are none, images of several layouts, a number that is
            missing or there twice, or numbers that only x or only y has.
    """
    parts = [_by_prefix(epath.Path(folder)) for folder in folders]
    names = [axes for axes in _AXES if axes[0] in parts[0] or axes[1] in parts[1]]
    if folders.x != folders.y:
        names += [(n, n) for n in _ALONE if n in parts[0] or n in parts[1]]
    if not names:
        raise decoding.VideoError(
            f"{folders.x} has no flow: files such as flow_x_00001.jpg are expected"
        )
    if len(names) > 1:
        raise decoding.VideoError(
            f"{folders.x} has flow of two layouts: {names[0][0]}_ and {names[1][0]}_"
        )
    x, y = (
        _complete(part.get(name, {}))
        for part, name in zip(parts, names[0], strict=True)
    )
    if lonely := sorted(x.keys() ^ y.keys()):
        there = "x" if lonely[0] in x else "y"
        raise decoding.VideoError(
            f"{len(x)} images of flow in x and {len(y)} in y: image {lonely[0]} is "
            f"there in {there} alone ({folders.x})"
        )
    return list(x.values()), list(y.values())


def _by_prefix(folder: epath.Path) -> dict[str, dict[int, list[epath.Path]]]:
    """What comes before the number -> number -> files."""
    if not folder.is_dir():
        raise decoding.VideoError(f"there is no folder {folder}")
    found: dict[str, dict[int, list[epath.Path]]] = {}
    for path in sorted(folder.iterdir()):
        if match := _NUMBERED.fullmatch(path.name):
            images = found.setdefault(match[1].lower(), {})
            images.setdefault(int(match[2]), []).append(path)
    return found


def _complete(images: Mapping[int, list[epath.Path]]) -> dict[int, epath.Path]:
    """Number -> image, in the order of the numbers."""
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
