"""An artifact computes what its program did, loads alone and refuses what is broken."""

import dataclasses
import json
import subprocess
import sys

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest

from stpn_jax.errors import UsageError
from stpn_jax.export import artifact

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
    views=2,
    seed=0,
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
    return jax.nn.softmax(logits), attention / attention.sum((1, 2), keepdims=True)


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
    artifact.write(
        tmp_path / "artifact",
        toy_program,
        toy_variables(),
        LABELS,
        PREPROCESSING,
        {"mean_class_accuracy": 0.9},
    )
    return tmp_path / "artifact"


@pytest.mark.parametrize("batch", [1, 5])
def test_computes_what_the_program_computes(folder, batch):
    found = artifact.load(folder).predict(*snippets(batch))
    expected = jax.jit(toy_program)(toy_variables(), *snippets(batch))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)


def test_carries_all_that_predict_needs(folder):
    loaded = artifact.load(folder)
    assert loaded.labels == LABELS
    assert loaded.preprocessing == PREPROCESSING
    assert loaded.card == {"mean_class_accuracy": 0.9}
    assert set(loaded.weights) == {"params/mix", "bias"}


def test_is_lowered_for_every_platform(folder):
    content = bytearray((folder / "program.bin").read_bytes())
    assert jax.export.deserialize(content).platforms == ("cpu", "cuda", "tpu")


def test_names_the_files_it_wrote(folder):
    written = artifact.write(
        folder, toy_program, toy_variables(), LABELS, PREPROCESSING
    )
    assert [path.name for path in written] == [
        "program.bin",
        "weights.npz",
        "artifact.json",
    ]
    assert sorted(map(str, written)) == sorted(map(str, folder.iterdir()))


def test_runs_with_jax_alone(folder, tmp_path):
    rgb, flow, box, flip = snippets(2)
    np.savez(tmp_path / "arguments.npz", rgb=rgb, flow=flow, box=box, flip=flip)
    script = """
import sys
import jax.export, numpy as np
program = jax.export.deserialize(open("artifact/program.bin", "rb").read())
weights = dict(np.load("artifact/weights.npz"))
arguments = dict(np.load("arguments.npz")).values()
probabilities, attention = program.call(weights, *arguments)
assert not {"stpn_jax", "flax", "tensorflow"} & set(sys.modules)
print(np.asarray(probabilities).sum(), attention.shape)
"""
    run = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.startswith(("2.0", "1.99"))
    assert "(2, 16, 16)" in run.stdout


def test_a_flow_only_network_has_no_frames(tmp_path):
    def program(variables, rgb, flow, box, flip):
        return flow.astype(jnp.float32).mean((1, 3, 4)), jnp.ones((flow.shape[0], 1, 1))

    preprocessing = dataclasses.replace(PREPROCESSING, frames=0)
    artifact.write(tmp_path, program, {}, (*LABELS, "walk"), preprocessing)
    rgb, flow, box, flip = snippets(2)
    probabilities, _ = artifact.load(tmp_path).predict(rgb[:, :0], flow, box, flip)
    assert probabilities.shape == (2, 4)


@pytest.mark.parametrize("name", ["program.bin", "weights.npz", "artifact.json"])
def test_a_truncated_file_is_named(folder, name):
    path = folder / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UsageError, match=rf"{name}: damaged.*export again"):
        artifact.load(folder)


@pytest.mark.parametrize("name", ["program.bin", "weights.npz", "artifact.json"])
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
            {"preprocessing": dataclasses.asdict(PREPROCESSING) | {"input_size": 8}},
            "the program takes",
        ),
    ],
)
def test_an_edited_description_is_refused(folder, change, message):
    path = folder / "artifact.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(UsageError, match=rf"artifact.json: damaged.*{message}"):
        artifact.load(folder)


def test_files_of_two_exports_do_not_mix(folder, tmp_path):
    variables = toy_variables() | {"bias": jnp.ones(3)}
    artifact.write(tmp_path / "other", toy_program, variables, LABELS, PREPROCESSING)
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
        ("format", 99, "format 99, expected 1"),
    ],
)
def test_what_cannot_run_here_is_refused(folder, field, value, message):
    path = folder / "artifact.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {field: value}))
    with pytest.raises(UsageError, match=message):
        artifact.load(folder)
