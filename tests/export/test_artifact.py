"""An artifact computes what its program did, loads alone and rejects what is broken."""

import dataclasses
import hashlib
import json

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest

from stpn_jax.export import artifact, writer
from stpn_jax.utils.errors import UsageError

PREPROCESSING = artifact.Preprocessing(
    size=(24, 20),
    input_size=16,
    frames=1,
    paths=3,
    flow_length=2,
    tau=(1, 10),
    bound=20.0,
    flow={"tau": 0.25},
    snippets=2,
    crops=2,
    seed=0,
    span=5,
)
LABELS = ("draw", "throw", "wave")


def toy_program(variables, rgb, flow, box, flip):
    """Stands for a network: the Fourier product, and a form for each platform."""
    motion = flow.astype(jnp.float32).mean((1, 3, 4))
    spectrum = jnp.fft.rfft(motion @ variables["params"]["mix"], axis=-1)
    sketch = jnp.fft.irfft(spectrum**2, n=3, axis=-1) * 1e-4
    logits = sketch + variables["bias"] + flip[:, None] + box[:, :1]
    image = rgb.astype(jnp.float32).mean((1, 2))
    attention = jax.lax.platform_dependent(
        image, cpu=lambda x: x * 2, default=lambda x: x + x
    )
    attention /= attention.sum((1, 2), keepdims=True)
    return jax.nn.softmax(logits), attention, {"fused": logits}


def toy_frames_program(variables, frames):
    """Knows the mean of the frames alone."""
    mean = frames.astype(jnp.float32).mean((1, 3, 4))
    shares = jax.nn.softmax(mean * 0 + variables["bias"])
    return shares, frames[:, 0, 0].astype(jnp.float32), {"fused": mean}


def half(program):
    """The program in half precision, rounded in its results."""

    def rounded(*arguments):
        shares, *others = program(*arguments)
        return shares.astype(jnp.bfloat16).astype(jnp.float32), *others

    return rounded


PROGRAMS = {
    "snippets": {"float32": toy_program, "bfloat16": half(toy_program)},
    "frames": {"float32": toy_frames_program},
}


def toy_variables():
    mix = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    return {"params": {"mix": mix}, "bias": jnp.arange(3.0)}


def snippets(batch):
    rng = np.random.default_rng(batch)
    return (
        rng.integers(0, 256, (batch, 1, 3, 16, 16), dtype=np.uint8),
        rng.integers(0, 256, (batch, 3, 4, 16, 16), dtype=np.uint8),
        np.tile(np.float32([0, 0, 16, 16]), (batch, 1)),
        np.arange(batch) % 2 == 1,
    )


@pytest.fixture
def folder(tmp_path):
    writer.write(
        tmp_path / "artifact",
        PROGRAMS,
        toy_variables(),
        LABELS,
        PREPROCESSING,
        {"mean_class_accuracy": 0.9},
    )
    return tmp_path / "artifact"


@pytest.mark.parametrize("batch", [1, 5, 32])
def test_computes_what_the_program_computes(folder, batch):
    shares, attention, features = artifact.load(folder).predict(*snippets(batch))
    expected = jax.jit(toy_program)(toy_variables(), *snippets(batch))
    np.testing.assert_allclose(shares, expected[0], rtol=1e-6)
    np.testing.assert_allclose(attention, expected[1], rtol=1e-6)
    np.testing.assert_allclose(features["fused"], expected[2]["fused"], rtol=1e-6)


def test_has_a_program_for_each_dtype(folder):
    exact, *_ = artifact.load(folder).predict(*snippets(5))
    rounded, *_ = artifact.load(folder, "bfloat16").predict(*snippets(5))
    np.testing.assert_array_equal(exact.astype(jnp.bfloat16), rounded)
    assert (exact != rounded).any()
    with pytest.raises(UsageError, match="has no float16 program, but float32, bfloa"):
        artifact.load(folder, "float16")


def test_a_program_may_start_from_frames(folder):
    frames = np.full((2, 5, 3, 20, 24), 7, np.uint8)
    shares, attention, features = artifact.load(folder).predict_frames(frames)
    np.testing.assert_allclose(shares[0], jax.nn.softmax(jnp.arange(3.0)), rtol=1e-6)
    assert attention.shape == (2, 20, 24) and (features["fused"] == 7).all()
    with pytest.raises(UsageError, match="without a program from frames"):
        artifact.load(folder, "bfloat16").predict_frames(frames)


def test_carries_all_that_predict_needs(folder):
    loaded = artifact.load(folder)
    assert loaded.labels == LABELS
    assert loaded.preprocessing == PREPROCESSING
    assert loaded.card == {"mean_class_accuracy": 0.9}
    assert set(loaded.weights) == {"params/mix", "bias"}


def test_what_is_no_part_of_the_program_may_be_deleted(folder):
    (folder / "model_card.md").unlink()
    (folder / "snippets_bfloat16.bin").unlink()
    artifact.load(folder)


def test_a_flow_only_network_has_no_frames(tmp_path):
    def program(variables, rgb, flow, box, flip):
        shares = flow.astype(jnp.float32).mean((1, 3, 4))
        return shares, jnp.ones((flow.shape[0], 1, 1)), {}

    preprocessing = dataclasses.replace(PREPROCESSING, frames=0)
    programs = {"snippets": {"float32": program}}
    writer.write(tmp_path, programs, {}, (*LABELS, "walk"), preprocessing)
    rgb, flow, box, flip = snippets(2)
    probabilities, *_ = artifact.load(tmp_path).predict(rgb[:, :0], flow, box, flip)
    assert probabilities.shape == (2, 4)


FILES = ["snippets_float32.bin", "frames_float32.bin", "weights.npz", "artifact.json"]


@pytest.mark.parametrize("name", FILES)
def test_a_truncated_file_is_named(folder, name):
    path = folder / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(
        UsageError, match=rf"{name}: (damaged|not the JSON).*export again"
    ):
        artifact.load(folder)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(UsageError, match=name):
        artifact.load(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": ["draw"]}, "the program has 3 classes, not 1"),
        ({"preprocessing": {}}, "size"),
        (
            {"preprocessing": artifact.facts(PREPROCESSING) | {"input_size": 8}},
            "the program takes",
        ),
    ],
)
def test_an_edited_description_is_rejected(folder, change, message):
    path = folder / "artifact.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(UsageError, match=rf"artifact.json: damaged.*{message}"):
        artifact.load(folder)


def test_files_of_two_exports_do_not_mix(folder, tmp_path):
    variables = toy_variables() | {"bias": jnp.ones(3)}
    writer.write(tmp_path / "other", PROGRAMS, variables, LABELS, PREPROCESSING)
    (folder / "weights.npz").write_bytes(
        (tmp_path / "other" / "weights.npz").read_bytes()
    )
    with pytest.raises(UsageError, match=r"weights.npz: damaged, or of another export"):
        artifact.load(folder)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("platforms", ["rocm"], "lowered for rocm, this device is"),
        ("calling_convention", 1, "use the jax that wrote it, or export again"),
        ("format", 1, "format 1, expected 2; export again"),
    ],
)
def test_what_cannot_run_here_is_rejected(folder, field, value, message):
    path = folder / "artifact.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {field: value}))
    with pytest.raises(UsageError, match=message):
        artifact.load(folder)


def test_a_program_that_this_jax_cannot_read_names_the_jax_that_wrote_it(folder):
    program, description = folder / "frames_float32.bin", folder / "artifact.json"
    program.write_bytes(b"a program of tomorrow")
    text = json.loads(description.read_text())
    text["files"][program.name]["sha256"] = hashlib.sha256(
        program.read_bytes()
    ).hexdigest()
    description.write_text(json.dumps(text))
    with pytest.raises(UsageError, match=rf"{program.name}: jax .* cannot read this"):
        artifact.load(folder)
