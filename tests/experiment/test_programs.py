"""An artifact's programs give what the training code gives, with JAX alone."""

import dataclasses
import pathlib
import re
import subprocess
import sys

import cv2
import jax
import numpy as np
import pytest

from configs import demo
from stpn_jax import config as configs
from stpn_jax.arrays import Batch
from stpn_jax.experiment import export
from stpn_jax.export import artifact, writer
from stpn_jax.input_pipeline import sampling
from stpn_jax.models import build
from stpn_jax.ops import tvl1
from stpn_jax.train import step
from stpn_jax.video import flow_codec

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("quickly_compiled")]

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "deploy.md"
CONFIG = configs.from_config_dict(demo.get_config())
STAGE = CONFIG.stages[-1]
SHAPE = sampling.SnippetShape(frames=1, paths=3, flow_length=4, tau=(2, 3))
PREPROCESSING = artifact.Preprocessing(
    size=(48, 40),
    input_size=32,
    frames=SHAPE.frames,
    paths=SHAPE.paths,
    flow_length=SHAPE.flow_length,
    tau=SHAPE.tau,
    bound=20.0,
    flow={"scales": 2, "warps": 2},
    snippets=2,
    crops=1,
    seed=0,
    span=sampling.flows_needed(SHAPE, SHAPE.tau[1]) + 1,
)
LABELS = tuple("abcde")

ALONE = ("jax", "jaxlib", "numpy", "ml_dtypes", "scipy", "opt_einsum", "flatbuffers")
"""JAX, numpy, and what they need themselves."""

SCRIPT = """
import sys
sys.path.append("alone")
import numpy as np
arguments = np.load("arguments.npz")
for batch in (1, 5, 32):
    rgb, flow, box, flip = (
        arguments[f"{batch}/{name}"] for name in ("rgb", "flow", "box", "flip")
    )
    exec(open("snippet.py").read())
    distance = np.abs(np.asarray(probabilities) - arguments[f"{batch}/expected"]).max()
    assert attention.shape == (batch, 4, 4) and distance < 1e-5, distance
    print(batch, distance)
for name in ("stpn_jax", "flax", "tensorflow", "cv2", "etils"):
    try:
        __import__(name)
    except ModuleNotFoundError:
        continue
    raise AssertionError(name)
"""


def install_alone(folder):
    """Links to these libraries, in place of all that is installed."""
    folder.mkdir()
    installed = pathlib.Path(np.__file__).parents[1]
    for name in ALONE:
        for path in (installed / name, installed / f"{name}.libs"):
            if path.exists():
                (folder / path.name).symlink_to(path)


def network(dtype="float32"):
    return build.build(
        dataclasses.replace(CONFIG.model, dtype=dtype),
        STAGE,
        classes=len(LABELS),
        input_size=PREPROCESSING.input_size,
        resize=False,
        axis_name=None,
    )


def batch(count):
    rng = np.random.default_rng(count)
    side = PREPROCESSING.input_size
    shapes = (count, 1, 3, side, side), (count, 3, 8, side, side)
    rgb, motion = (rng.integers(0, 256, shape, dtype=np.uint8) for shape in shapes)
    unused = np.zeros(count, np.int32)
    box = np.tile(np.float32([0, 0, side, side]), (count, 1))
    return Batch(
        rgb, motion, box, np.arange(count) % 2 == 1, unused, unused == 0, unused
    )


@pytest.fixture(scope="module")
def variables():
    return build.initialise(network(), batch(1), 0)


@pytest.fixture(scope="module")
def folder(variables, tmp_path_factory):
    made = {dtype: network(dtype) for dtype in artifact.DTYPES}
    path = tmp_path_factory.mktemp("model") / "artifact"
    lowered = export.programs(made, PREPROCESSING)
    writer.write(path, lowered, variables, LABELS, PREPROCESSING)
    return path


def training_code(variables, one):
    return jax.jit(step.make_predict_step(network()))(variables, one)


def test_the_lines_of_the_docs_give_the_same_with_jax_alone(folder, variables):
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.S)
    (code,) = (block for block in blocks if "jax.export.deserialize" in block)
    assert len(code.strip().splitlines()) <= 6
    saved = {}
    for count in (1, 5, 32):
        one = batch(count)
        saved[f"{count}/expected"] = training_code(variables, one)
        for name in ("rgb", "flow", "box", "flip"):
            saved[f"{count}/{name}"] = getattr(one, name)
    np.savez(folder.parent / "arguments.npz", **saved)
    (folder.parent / "snippet.py").write_text(code)
    install_alone(folder.parent / "alone")
    run = subprocess.run(
        [sys.executable, "-I", "-S", "-c", SCRIPT],
        cwd=folder.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    assert [line.split()[0] for line in run.stdout.splitlines()] == ["1", "5", "32"]


def test_features_and_attention_are_the_networks(folder, variables):
    one = batch(3)
    expected = jax.jit(network().apply)(variables, one)
    arguments = one.rgb, one.flow, one.box, one.flip
    _, attention, features = artifact.load(folder).predict(*arguments)
    np.testing.assert_allclose(attention, expected.attention, atol=1e-5)
    assert set(features) == {"spatial", "temporal", "attended", "fused"}
    for name, value in features.items():
        np.testing.assert_allclose(value, expected.features[name], atol=1e-3)


def test_half_precision_stays_near(folder):
    one = batch(8)
    arguments = one.rgb, one.flow, one.box, one.flip
    exact, *_ = artifact.load(folder).predict(*arguments)
    near, *_ = artifact.load(folder, "bfloat16").predict(*arguments)
    distance = np.abs(np.asarray(exact) - near).max()
    assert 0 < distance < 0.05
    np.testing.assert_allclose(np.sum(near, axis=1), 1, rtol=1e-5)


def drifting(count):
    """Smooth pictures that move to the right by two pixels a frame, [t y x 3]."""
    noise = np.random.default_rng(1).uniform(size=(40, 48 + 2 * count, 3))
    smooth = cv2.GaussianBlur(noise.astype(np.float32), (0, 0), 3)
    wide = cv2.normalize(smooth, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)
    return np.stack([wide[:, 2 * (count - i) :][:, :48] for i in range(count)])


def test_from_frames_alone_it_is_the_flow_and_then_the_network(folder):
    frames = drifting(PREPROCESSING.span)
    assert len(frames) == 2 * 3 + 4 + 1
    codes = flow_codec.compute(frames, tvl1.Parameters(**PREPROCESSING.flow))
    assert codes[:, 20, 24, 0].mean() > 135  # It moves to the right.
    paths = sampling.flow_indices(5, 3, SHAPE, len(codes))
    crop = (..., slice(4, 36), slice(8, 40))
    motion = codes[paths].transpose(0, 1, 4, 2, 3).reshape(1, 3, 8, 40, 48)[crop]
    rgb = frames[5].transpose(2, 0, 1)[None, None][crop]
    box, flip = np.float32([[0, 0, 32, 32]]), np.zeros(1, bool)
    loaded = artifact.load(folder)
    expected, seen, _ = loaded.predict(rgb, motion, box, flip)
    planes = frames.transpose(0, 3, 1, 2)
    for count in (1, 3):
        given = np.stack([planes, *[planes[::-1]] * (count - 1)])
        found, attention, _ = loaded.predict_frames(given)
        np.testing.assert_allclose(found[0], expected[0], atol=1e-4)
        np.testing.assert_allclose(attention[0], seen[0], atol=1e-4)
    assert np.abs(found[1] - found[0]).max() > 1e-4
