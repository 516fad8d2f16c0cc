"""A network that knows colours and directions, exported, and clips for it."""

import pathlib

import av
import jax
import jax.numpy as jnp
import numpy as np

from stpn_jax.export import artifact, writer

LABELS = ("red", "green", "blue", "to the left", "to the right")
SIZE, SIDE = (48, 40), 32
PARAMETERS = {"scales": 2, "warps": 2}
RED, GREEN, BLUE = (200, 60, 60), (60, 200, 60), (60, 60, 200)
PREPROCESSING = artifact.Preprocessing(
    size=SIZE,
    input_size=SIDE,
    frames=1,
    paths=3,
    flow_length=4,
    tau=(1, 3),
    bound=20.0,
    flow=PARAMETERS,
    snippets=2,
    crops=10,
    seed=0,
    span=11,
)


def program(variables, rgb, motion, box, flip):
    """Knows colours from the frames and directions from the flow; attends to green."""
    colours = rgb.astype(jnp.float32).mean((1, 3, 4)) / 16
    x = motion[:, :, ::2].astype(jnp.float32) - 128
    right = x.mean((1, 2, 3, 4)) * variables["gain"]
    logits = jnp.concatenate([colours, -right[:, None], right[:, None]], axis=-1)
    green = rgb[:, :, 1].astype(jnp.float32).mean(1) + 1
    cells = green.reshape(green.shape[0], 4, SIDE // 4, 4, SIDE // 4).mean((2, 4))
    attention = cells / cells.sum((1, 2), keepdims=True)
    return jax.nn.softmax(logits), attention, {"fused": logits, "colour": colours}


def export(folder: pathlib.Path) -> pathlib.Path:
    """Writes the network as an artifact; float32 and bfloat16 are the same program."""
    programs = {"snippets": dict.fromkeys(artifact.DTYPES, program)}
    writer.write(folder, programs, {"gain": jnp.float32(2)}, LABELS, PREPROCESSING)
    return folder


def pictures(colour=(128, 128, 128), count=12, step=0, size=(96, 80)):
    """A texture that moves `step` pixels to the right a frame: [t y x 3]."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(-60, 60, (size[1] // 4, size[0] // 4))
    texture = coarse.repeat(4, 0).repeat(4, 1)[..., None]
    moved = [np.array(colour) + np.roll(texture, i * step, 1) for i in range(count)]
    return np.clip(np.stack(moved), 0, 255).astype(np.uint8)


def write_clip(path, rate=25, frames=None, **options):
    """Writes these frames, or those of `pictures`, as a video; its path as text."""
    frames = pictures(**options) if frames is None else frames
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=rate)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        stream.bit_rate = 4_000_000
        for picture in frames:
            frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return str(path)


def write_three_parts(path, seconds, rate=10):
    """A video of which each third is of another colour: red, green, blue."""
    thirds = [
        pictures(colour, count=round(seconds * rate / 3), size=(64, 48))
        for colour in (RED, GREEN, BLUE)
    ]
    return write_clip(path, rate=rate, frames=np.concatenate(thirds))
