"""The embedded data set: small videos in groups, each for one part of the network.

    python -m stpn_jax.synthetic OUT --seed=N

writes OUT/train/<class>/*.mp4, OUT/test/<class>/*.mp4, OUT/groups.csv and, with the
place of the sprite that moves in every frame, OUT/boxes.csv (see data.boxes). A sprite
moves over a still, cluttered background whose tint names the group:

    a  appearance   the class is the sprite's colour, whatever its motion
    b  motion       the class is the motion, whatever the colour
    c  long range   the second half of the motion repeats or reverses the first
    d  conjunction  an exclusive or of colour and direction
    e  mover        three sprites, one of each colour: the class is the one that moves

What keeps a stream at chance inside the groups that must not give in to it:

*   Sprites share outline and luma pattern and differ in chroma only, so flow, which is
    computed on grey frames, cannot tell them apart (a, d, e).
*   Positions wrap around the frame from a uniform start, so every single frame of every
    class of a group has the same distribution (b, c, d, e).
*   Every frame is coded by itself, so no compression residue in one frame tells of the
    others, nor which of three sprites stands still (b, c, d, e).
*   Both classes of c rest in the middle for as many flows as one stack is long, so a
    single stack never holds both halves.
*   Whatever is not the class (colour, direction, order) runs through its values by the
    clip's number, alike in every class of the group; mirroring a clip does not change
    its class.
"""

import argparse
import concurrent.futures
import dataclasses
import functools
import io
import itertools
import multiprocessing
import os
import sys
from collections.abc import Callable, Sequence

import av
import numpy as np
import tqdm
from etils import epath
from jaxtyping import UInt8

from stpn_jax.evaluation import attention_share
from stpn_jax.synthetic import sprites
from stpn_jax.synthetic.sprites import DOWN, LEFT, RIGHT, STILL, UP, Direction, Sprite
from stpn_jax.utils import errors

PAUSE = 10
"""Flows without motion between the halves of a clip of c: L of section 3.2."""

FRAME_RATE = 25
PROCESSES = 2
QUANTISER = 12
"""x264's constant quantiser: low enough for errors of about one grey level."""

GROUPS = {
    "a": ("a_appearance", 20.0),
    "b": ("b_motion", 92.0),
    "c": ("c_long_range", 164.0),
    "d": ("d_conjunction", 236.0),
    "e": ("e_mover", 308.0),
}
"""First letter of a class -> name of its group, hue of its background in degrees."""

COLUMNS = (0.18, 0.5, 0.82)
"""Of the three sprites of e, as shares of the width: they never touch."""

Scene = Callable[[int], list[Sprite]]


def _appearance(colour: str) -> Scene:
    def scene(number: int) -> list[Sprite]:
        direction = (UP, DOWN, LEFT, RIGHT)[number % 4]
        return [Sprite(colour, direction, direction)]

    return scene


def _motion(*directions: Direction) -> Scene:
    def scene(number: int) -> list[Sprite]:
        turn, colour = divmod(number, len(sprites.HUES))
        direction = directions[turn % len(directions)]
        return [Sprite(list(sprites.HUES)[colour], direction, direction)]

    return scene


def _long_range(reverse: bool) -> Scene:
    def scene(number: int) -> list[Sprite]:
        turn, colour = divmod(number, len(sprites.HUES))
        first, other = (UP, DOWN) if turn % 2 else (DOWN, UP)
        second = other if reverse else first
        return [Sprite(list(sprites.HUES)[colour], first, second, PAUSE)]

    return scene


def _conjunction(red: Direction, blue: Direction) -> Scene:
    def scene(number: int) -> list[Sprite]:
        colour, direction = ("blue", blue) if number % 2 else ("red", red)
        return [Sprite(colour, direction, direction)]

    return scene


def _mover(mover: str) -> Scene:
    def scene(number: int) -> list[Sprite]:
        orders = list(itertools.permutations(sprites.HUES))
        turn, order = divmod(number, len(orders))
        directions = dict.fromkeys(sprites.HUES, STILL)
        directions[mover] = UP if turn % 2 else DOWN
        return [
            Sprite(colour, directions[colour], directions[colour], column=column)
            for colour, column in zip(orders[order], COLUMNS, strict=True)
        ]

    return scene


CLASSES: dict[str, Scene] = {
    "a_red": _appearance("red"),
    "a_green": _appearance("green"),
    "a_blue": _appearance("blue"),
    "b_up": _motion(UP),
    "b_down": _motion(DOWN),
    "b_sideways": _motion(LEFT, RIGHT),
    "c_straight_on": _long_range(reverse=False),
    "c_there_and_back": _long_range(reverse=True),
    "d_red_up_blue_down": _conjunction(red=UP, blue=DOWN),
    "d_red_down_blue_up": _conjunction(red=DOWN, blue=UP),
    "e_red_moves": _mover("red"),
    "e_green_moves": _mover("green"),
    "e_blue_moves": _mover("blue"),
}
"""Class name, led by its group's letter -> the sprites of its clip number n."""


@dataclasses.dataclass(frozen=True)
class Clip:
    """What one clip is drawn from; the same fields always give the same bytes."""

    seed: int
    split: str
    label: str
    number: int
    shape: sprites.Shape

    @property
    def path(self) -> str:
        """Place below OUT."""
        return f"{self.split}/{self.label}/{self.label}_{self.number:03d}.mp4"

    def generator(self) -> np.random.Generator:
        """A stream of random numbers of this clip's own."""
        split, label = int(self.split == "test"), list(CLASSES).index(self.label)
        return np.random.default_rng([self.seed, split, label, self.number])


def clips_of(seed: int, train: int, test: int, shape: sprites.Shape) -> list[Clip]:
    """Every clip of the data set: `train` and `test` of each class."""
    return [
        Clip(seed, split, label, number, shape)
        for split, count in (("train", train), ("test", test))
        for label in CLASSES
        for number in range(count)
    ]


def draw(clip: Clip) -> UInt8[np.ndarray, "t rows x"]:
    """All frames of a clip as planar YCbCr 4:2:0; see `sprites.draw`."""
    _, tint = GROUPS[clip.label[0]]
    scene = CLASSES[clip.label](clip.number)
    return sprites.draw(scene, tint, clip.shape, clip.generator())


def encode(frames: UInt8[np.ndarray, "t rows x"]) -> bytes:
    """H.264 in MP4 from planar YCbCr 4:2:0, every frame coded by itself."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        options = {"qp": str(QUANTISER), "preset": "ultrafast"}
        stream = container.add_stream("libx264", FRAME_RATE, options=options)
        stream.width, stream.height = frames.shape[2], frames.shape[1] * 2 // 3
        stream.pix_fmt = "yuv420p"
        stream.gop_size = 1
        stream.thread_count = 1
        for frame in frames:
            picture = av.VideoFrame.from_ndarray(frame, format="yuv420p")
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return buffer.getvalue()


def moving(clip: Clip) -> list[attention_share.Row]:
    """Where the sprite that moves is in every frame of a clip."""
    _, tint = GROUPS[clip.label[0]]
    scene = CLASSES[clip.label](clip.number)
    layout = sprites.lay_out(scene, tint, clip.shape, clip.generator())
    (mover,) = (i for i, sprite in enumerate(scene) if sprite.first != STILL)
    return [
        attention_share.Row(clip.path, frame, *box)
        for frame, centre in enumerate(layout.centres[mover])
        for box in sprites.boxes(centre, clip.shape)
    ]


def write(
    out: epath.PathLike,
    seed: int,
    train: int,
    test: int,
    shape: sprites.Shape,
    processes: int = PROCESSES,
) -> int:
    """Draws and writes the data set; the files depend on nothing but the arguments.

    Args:
        out: folder for train/, test/, groups.csv and boxes.csv.
        seed: draws everything; 0 or more.
        train: training clips a class.
        test: test clips a class.
        shape: of a clip; below 31 frames the pause of group c is cut to a third.
        processes: that draw and encode side by side.

    Returns:
        The number of clips.

    Raises:
        UsageError: for a size or count that cannot be drawn, and for a folder that
            holds clips which this call would not write.
    """
    out = epath.Path(out)
    clips = clips_of(seed, train, test, shape)
    _check(out, clips, seed, shape)
    for folder in {(out / clip.path).parent for clip in clips}:
        folder.mkdir(parents=True, exist_ok=True)
    rows = [f"{label},{GROUPS[label[0]][0]}\n" for label in CLASSES]
    (out / "groups.csv").write_text("class,group\n" + "".join(rows))
    attention_share.write(
        out / "boxes.csv", (row for clip in clips for row in moving(clip))
    )
    job = functools.partial(_write_clip, os.fspath(out))
    # Forked workers would inherit the threads and locks of JAX and OpenCV.
    context = multiprocessing.get_context("spawn")
    with (
        concurrent.futures.ProcessPoolExecutor(processes, context) as pool,
        tqdm.tqdm(total=len(clips), unit="clip", disable=None) as progress,
    ):
        for _ in pool.map(job, clips, chunksize=8):
            progress.update()
    return len(clips)


def _write_clip(out: str, clip: Clip) -> None:
    (epath.Path(out) / clip.path).write_bytes(encode(draw(clip)))


def _check(out: epath.Path, clips: list[Clip], seed: int, shape: sprites.Shape) -> None:
    if shape.size < 32 or shape.size % 2 or shape.frames < 4:
        raise errors.UsageError(
            f"--size={shape.size} --frames={shape.frames}: expected an even size of 32 "
            "or more and 4 or more frames"
        )
    if not clips or seed < 0:
        raise errors.UsageError(
            f"--seed={seed} with {len(clips)} clips: expected a seed of 0 or more and "
            "at least one clip a class (--train, --test)"
        )
    wanted = {os.fspath(out / clip.path) for clip in clips}
    for split in ("train", "test"):
        for found in sorted((out / split).glob("*/*")):
            if os.fspath(found) not in wanted:
                raise errors.UsageError(
                    f"{found} is not a clip of this data set: remove the folder {out} "
                    "or name another one"
                )


def main(arguments: Sequence[str] | None = None) -> int:
    """The command: parses its arguments, writes the clips, names what it wrote."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("out", help="folder to write to")
    parser.add_argument("--seed", type=int, required=True, help="draws everything")
    parser.add_argument("--train", type=int, default=40, help="training clips a class")
    parser.add_argument("--test", type=int, default=14, help="test clips a class")
    parser.add_argument("--frames", type=int, default=36, help="frames a clip")
    parser.add_argument("--size", type=int, default=72, help="side of a frame, pixels")
    given = parser.parse_args(arguments)
    count = len(CLASSES) * (given.train + given.test)
    print(f"drawing {count} clips of {len(CLASSES)} classes into {given.out}")
    shape = sprites.Shape(given.frames, given.size)
    try:
        write(given.out, given.seed, given.train, given.test, shape)
    except errors.UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"wrote train, test, groups.csv and boxes.csv in {given.out}")
    return 0
