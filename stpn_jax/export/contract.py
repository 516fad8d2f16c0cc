"""An artifact's contract: arguments and results of its programs, names of its files.

Two kinds of program, each with float32 and with bfloat16 activations, over the same
float32 weights:

    snippets  (weights, rgb, flow, box, flip) -> probabilities, attention, features
    frames    (weights, frames)               -> the same; TV-L1 is part of it

`rgb`, `flow`, `box` and `flip` are laid out as in arrays.Batch. `frames` are as many
consecutive frames as one snippet spans with the largest spacing of its paths, of which
the program takes the central crop.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Literal

import jax
import jax.export
import numpy as np

from stpn_jax.arrays import Array

FORMAT = 2
PLATFORMS = ("cpu", "cuda", "tpu")
KINDS = ("snippets", "frames")
DTYPES = ("float32", "bfloat16")
WEIGHTS, DESCRIPTION, CARD = "weights.npz", "artifact.json", "model_card.md"

Features = Mapping[str, Array]
Program = Callable[..., tuple[Array, Array, Features]]
"""Returns probabilities [b classes], attention [b h w] and features {name: [b d]}."""


@dataclasses.dataclass(frozen=True)
class Preprocessing:
    """From a video to the programs' arguments.

    Attributes:
        size: width and height to which frames are resized before the flow.
        input_size: side of the test crop and of the canvas that holds it, in pixels.
        frames: f, RGB frames a snippet; 0 for a flow-only network.
        paths: k, temporal paths a snippet; 0 for an RGB-only network.
        flow_length: L, consecutive flows of a path.
        tau: smallest and largest spacing of the paths' centres, in frames.
        bound: displacement in pixels that the largest flow code stands for.
        flow: parameters of TV-L1 by name; empty where another program computed the
            flow of the training videos.
        snippets: snippets a video, averaged.
        views: crops, mirrored ones included, of a snippet, averaged.
        seed: of the random tau.
        span: t, consecutive frames that the program from frames takes.
    """

    size: tuple[int, int]
    input_size: int
    frames: int
    paths: int
    flow_length: int
    tau: tuple[int, int]
    bound: float
    flow: Mapping[str, Any]
    snippets: int
    views: Literal[1, 2, 10]
    seed: int
    span: int


def program_file(kind: str, dtype: str) -> str:
    """Name of a program's file."""
    return f"{kind}_{dtype}.bin"


def arguments(
    settings: Preprocessing,
) -> dict[str, dict[str, jax.ShapeDtypeStruct]]:
    """Kind of program -> its arguments after the weights, with a symbolic batch."""
    (b,) = jax.export.symbolic_shape("b")
    side = (settings.input_size, settings.input_size)
    channels = 2 * settings.flow_length
    width, height = settings.size
    frames = (b, settings.span, 3, height, width)
    return {
        "snippets": {
            "rgb": jax.ShapeDtypeStruct((b, settings.frames, 3, *side), np.uint8),
            "flow": jax.ShapeDtypeStruct(
                (b, settings.paths, channels, *side), np.uint8
            ),
            "box": jax.ShapeDtypeStruct((b, 4), np.float32),
            "flip": jax.ShapeDtypeStruct((b,), np.bool_),
        },
        "frames": {"frames": jax.ShapeDtypeStruct(frames, np.uint8)},
    }


_MEANING = {
    "rgb": "RGB frames, channels first, cropped to input_size",
    "flow": "codes of x and y in turn, 128 for rest, see bound; cropped as rgb",
    "box": "y0 x0 y1 x1 of the crop in pixels: 0 0 input_size input_size",
    "flip": "whether to mirror left to right",
    "frames": "consecutive RGB frames, channels first, resized to size",
}


def describe(kind: str, settings: Preprocessing) -> dict[str, Any]:
    """The arguments of a kind of program, for artifact.json."""
    return {
        name: {
            "dtype": str(one.dtype),
            "shape": ["b", *one.shape[1:]],
            "meaning": _MEANING[name],
        }
        for name, one in arguments(settings)[kind].items()
    }
