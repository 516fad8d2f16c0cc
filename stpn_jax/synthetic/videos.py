"""The demo's synthetic videos, in groups that each need one component.

    python -m stpn_jax.synthetic OUT --seed=N

writes OUT/train/<class>/*.mp4, OUT/test/<class>/*.mp4, OUT/groups.csv and, with the
box of the moving sprite in every frame, OUT/boxes.csv. A sprite moves over a still,
cluttered background whose tint identifies the group:

    a  appearance   the class is the sprite's colour, whatever its motion
    b  motion       the class is the motion, whatever the colour
    c  long range   the second half of the motion repeats or reverses the first
    d  conjunction  an exclusive or of colour and direction
    e  mover        three sprites, one of each colour: the class is the one that moves

Within the groups named, a single stream stays at chance:

*   Sprites share outline and luma pattern and differ in chroma only, so flow, which is
    computed on grey frames, cannot distinguish them (a, d, e).
*   Positions wrap around the frame from a uniform start, so single frames of all
    classes of a group have the same distribution (b, c, d, e).
*   Every frame is intra-coded, so that no compression residue in it depends on the
    other frames, or on which of three sprites stands still (b, c, d, e).
*   Both classes of c pause in the middle for as many flows as one stack is long, so a
    single stack never holds both directions.
*   Whatever is not the class (colour, direction, order) cycles with the clip's number,
    alike in every class of the group; mirroring a clip does not change its class.
"""

import concurrent.futures
import dataclasses
import functools
import io
import itertools
import multiprocessing
import os
from collections.abc import Iterable, Sequence

import av
import numpy as np
import tqdm
from etils import epath
from jaxtyping import UInt8

from stpn_jax.evaluation import attention_share
from stpn_jax.synthetic import sprites
from stpn_jax.synthetic.sprites import DOWN, LEFT, RIGHT, STILL, UP, Direction, Sprite
from stpn_jax.utils import command_line, errors
from stpn_jax.utils.command_line import SEED, whole

PAUSE = 10
"""Flows without motion in the middle of a clip of c: L of section 3.2."""

FRAME_RATE = 25
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

Scenes = list[list[Sprite]]
"""The sprites of a class's clips 0, 1, ..., again from the first after the last."""


def _moving(colours: Iterable[str], *directions: Direction) -> Scenes:
    """One sprite of each direction and colour."""
    pairs = itertools.product(directions, list(colours))
    return [[Sprite(colour, one, one)] for one, colour in pairs]


def _long_range(reverse: bool) -> Scenes:
    turns = ((DOWN, UP), (UP, DOWN)) if reverse else ((DOWN, DOWN), (UP, UP))
    pairs = itertools.product(turns, sprites.HUES)
    return [[Sprite(colour, *directions, PAUSE)] for directions, colour in pairs]


def _mover(mover: str) -> Scenes:
    """One sprite of each colour, in every order, of which one moves."""

    def sprite(colour: str, column: float, moving: Direction) -> Sprite:
        direction = moving if colour == mover else STILL
        return Sprite(colour, direction, direction, column=column)

    pairs = itertools.product((DOWN, UP), itertools.permutations(sprites.HUES))
    return [
        [sprite(*place, moving) for place in zip(order, COLUMNS, strict=True)]
        for moving, order in pairs
    ]


CLASSES: dict[str, Scenes] = {
    **{f"a_{one}": _moving([one], UP, DOWN, LEFT, RIGHT) for one in sprites.HUES},
    "b_up": _moving(sprites.HUES, UP),
    "b_down": _moving(sprites.HUES, DOWN),
    "b_sideways": _moving(sprites.HUES, LEFT, RIGHT),
    "c_straight_on": _long_range(reverse=False),
    "c_there_and_back": _long_range(reverse=True),
    "d_red_up_blue_down": _moving(["red"], UP) + _moving(["blue"], DOWN),
    "d_red_down_blue_up": _moving(["red"], DOWN) + _moving(["blue"], UP),
    **{f"e_{one}_moves": _mover(one) for one in sprites.HUES},
}
"""Class name, led by its group's letter -> what its clips show."""


@dataclasses.dataclass(frozen=True)
class Clip:
    """One clip; the same fields always give the same bytes."""

    seed: int
    split: str
    label: str
    number: int
    shape: sprites.Shape

    @property
    def path(self) -> str:
        """Place below OUT."""
        return f"{self.split}/{self.label}/{self.label}_{self.number:03d}.mp4"

    @property
    def scene(self) -> list[Sprite]:
        """Its sprites."""
        scenes = CLASSES[self.label]
        return scenes[self.number % len(scenes)]

    def generator(self) -> np.random.Generator:
        """A stream of random numbers of this clip's own."""
        split, label = int(self.split == "test"), list(CLASSES).index(self.label)
        return np.random.default_rng([self.seed, split, label, self.number])

    def layout(self) -> sprites.Layout:
        """Everything in it that is random."""
        _, tint = GROUPS[self.label[0]]
        return sprites.lay_out(self.scene, tint, self.shape, self.generator())


def clips_of(seed: int, train: int, test: int, shape: sprites.Shape) -> list[Clip]:
    """Every clip of the data set: `train` and `test` of each class."""
    return [
        Clip(seed, split, label, number, shape)
        for split, count in (("train", train), ("test", test))
        for label in CLASSES
        for number in range(count)
    ]


def encode(frames: UInt8[np.ndarray, "t rows x"]) -> bytes:
    """H.264 in MP4 from planar YCbCr 4:2:0, every frame intra-coded."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        options = {"qp": str(QUANTISER), "preset": "ultrafast"}
        stream = container.add_stream("libx264", FRAME_RATE, options=options)
        stream.width, stream.height = frames.shape[2], frames.shape[1] * 2 // 3
        stream.pix_fmt = "yuv420p"
        stream.gop_size = stream.thread_count = 1
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "yuv420p")))
        container.mux(stream.encode(None))
    return buffer.getvalue()


def moving(clip: Clip) -> list[attention_share.Row]:
    """Where the sprite that moves is in every frame of a clip."""
    (mover,) = (i for i, one in enumerate(clip.scene) if one.first != STILL)
    return [
        attention_share.Row(clip.path, frame, *box)
        for frame, centre in enumerate(clip.layout().centres[mover])
        for box in sprites.boxes(centre, clip.shape)
    ]


def write(
    out: epath.PathLike,
    seed: int,
    train: int,
    test: int,
    shape: sprites.Shape,
    processes: int = 2,
) -> int:
    """Writes `train` and `test` clips of each class; returns the number of clips.

    The files depend on nothing but the arguments. Below 31 frames the pause of group c
    is cut to a third.

    Raises:
        UsageError: the shape cannot be, or there are other clips in `out`.
    """
    out = epath.Path(out)
    clips = clips_of(seed, train, test, shape)
    _check(out, clips, shape)
    for folder in {(out / clip.path).parent for clip in clips}:
        folder.mkdir(parents=True, exist_ok=True)
    groups = [f"{label},{GROUPS[label[0]][0]}\n" for label in CLASSES]
    (out / "groups.csv").write_text("class,group\n" + "".join(groups))
    boxes = itertools.chain.from_iterable(map(moving, clips))
    attention_share.write(out / "boxes.csv", boxes)
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
    frames = sprites.draw(clip.layout(), clip.shape)
    (epath.Path(out) / clip.path).write_bytes(encode(frames))


def _check(out: epath.Path, clips: list[Clip], shape: sprites.Shape) -> None:
    if shape.size < 32 or shape.size % 2 or shape.frames < 4:
        raise errors.UsageError(
            f"--size={shape.size} --frames={shape.frames}: expected an even size of 32 "
            "or more and 4 or more frames"
        )
    if not clips:
        raise errors.UsageError("0 clips: expected one a class (--train, --test)")
    wanted = {os.fspath(out / clip.path) for clip in clips}
    found = (path for s in ("train", "test") for path in sorted((out / s).glob("*/*")))
    if foreign := next((path for path in found if os.fspath(path) not in wanted), None):
        raise errors.UsageError(
            f"{foreign} is not a clip of this data set: remove the folder {out} or "
            "name another one"
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit status."""
    return errors.guard(lambda: _run(arguments))


def _run(arguments: Sequence[str] | None) -> None:
    parser = command_line.Parser(
        prog="python -m stpn_jax.synthetic", description=__doc__.partition("\n")[0]
    )
    add = parser.add_argument
    parser.add_path("out", help="folder to write to")
    add("--seed", type=SEED, required=True, help="of all randomness")
    add("--train", type=whole(0), default=40, help="training clips a class")
    add("--test", type=whole(0), default=14, help="test clips a class")
    add("--frames", type=whole(0), default=36, help="frames a clip")
    add("--size", type=whole(0), default=72, help="side of a frame, pixels")
    given = parser.parse_args(arguments)
    count = len(CLASSES) * (given.train + given.test)
    print(f"drawing {count} clips of {len(CLASSES)} classes into {given.out}")
    shape = sprites.Shape(given.frames, given.size)
    write(given.out, given.seed, given.train, given.test, shape)
    print(f"wrote train, test, groups.csv and boxes.csv in {given.out}")
