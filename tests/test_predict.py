"""predict: videos in, JSON and pictures out, with bad files among them."""

import io
import json
import subprocess
import sys

import av
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib import image as reader

from stpn_jax import predict
from stpn_jax.data import flow, sampling, video
from stpn_jax.export import artifact, contract, writer
from stpn_jax.ops import tvl1

LABELS = ("red", "green", "blue", "to the left", "to the right")
SIZE, SIDE = (48, 40), 32
PARAMETERS = {"scales": 2, "warps": 2}


def toy_program(variables, rgb, motion, box, flip):
    """Knows colours from the frames and directions from the flow; looks at green."""
    colours = rgb.astype(jnp.float32).mean((1, 3, 4)) / 16
    x = motion[:, :, ::2].astype(jnp.float32) - 128
    right = x.mean((1, 2, 3, 4)) * variables["gain"]
    logits = jnp.concatenate([colours, -right[:, None], right[:, None]], axis=-1)
    green = rgb[:, :, 1].astype(jnp.float32).mean(1) + 1
    cells = green.reshape(green.shape[0], 4, SIDE // 4, 4, SIDE // 4).mean((2, 4))
    attention = cells / cells.sum((1, 2), keepdims=True)
    return jax.nn.softmax(logits), attention, {"fused": logits}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model") / "artifact"
    writer.write(
        folder,
        {"snippets": {"float32": toy_program}},
        {"gain": jnp.float32(2)},
        LABELS,
        contract.Preprocessing(
            size=SIZE,
            input_size=SIDE,
            frames=1,
            paths=3,
            flow_length=4,
            tau=(1, 3),
            bound=20.0,
            flow=PARAMETERS,
            snippets=2,
            views=10,
            seed=0,
            span=11,
        ),
    )
    return folder


def write_clip(path, colour=(128, 128, 128), count=12, step=0, size=(96, 80)):
    """A textured picture that moves `step` pixels to the right in each frame."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(-60, 60, (size[1] // 4, size[0] // 4))
    texture = coarse.repeat(4, 0).repeat(4, 1)[..., None]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.bit_rate = 4_000_000
        for i in range(count):
            picture = np.clip(np.array(colour) + np.roll(texture, i * step, 1), 0, 255)
            frame = av.VideoFrame.from_ndarray(picture.astype(np.uint8), "rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return str(path)


def run(capsys, model, videos, out, *flags):
    status = predict.main([f"--model={model}", f"--out={out}", *flags, *videos])
    captured = capsys.readouterr()
    return status, list(map(json.loads, captured.out.splitlines())), captured.err


def test_names_colours_and_directions(model, tmp_path, capsys):
    videos = [
        write_clip(tmp_path / "red.avi", colour=(200, 60, 60)),
        write_clip(tmp_path / "right.mp4", step=4),
        write_clip(tmp_path / "left.mp4", step=-4),
    ]
    status, reports, _ = run(capsys, model, videos, tmp_path / "out")
    assert status == 0
    best = [report["predictions"][0]["label"] for report in reports]
    assert best == ["red", "to the right", "to the left"]
    assert [report["video"] for report in reports] == videos
    for report in reports:
        assert report["frames"] == 12
        shares = [p["probability"] for p in report["predictions"]]
        assert shares == sorted(shares, reverse=True)
        assert sum(shares) == pytest.approx(1, abs=1e-4)


def test_writes_a_report_and_a_picture_a_video(model, tmp_path, capsys):
    videos = [write_clip(tmp_path / "red.avi", colour=(200, 60, 60))]
    _, (report,), errors = run(capsys, model, videos, tmp_path / "out", "--top_k=2")
    assert json.loads((tmp_path / "out" / "red.json").read_text()) == report
    assert len(report["predictions"]) == 2
    picture = (tmp_path / "out" / "red.png").read_bytes()
    assert report["picture"] == str(tmp_path / "out" / "red.png")
    assert reader.imread(io.BytesIO(picture)).shape == (480, 1200, 4)
    assert "red.json" in errors and "red.png" in errors


def test_a_bad_file_does_not_stop_the_others(model, tmp_path, capsys):
    good = write_clip(tmp_path / "good.avi")
    (tmp_path / "empty.avi").write_bytes(b"")
    (tmp_path / "text.avi").write_text("no video at all\n" * 100)
    still = write_clip(tmp_path / "still.avi", count=1)
    bad = [str(tmp_path / "empty.avi"), str(tmp_path / "text.avi"), still]
    videos = [*bad, str(tmp_path / "missing.avi"), good]
    status, reports, errors = run(capsys, model, videos, tmp_path / "out")
    assert status == 1
    assert ["error" in report for report in reports] == [True] * 4 + [False]
    assert "single frame" in reports[2]["error"]
    assert "4 of 5 videos could not be read" in errors
    for report in reports[:4]:
        assert "\n" not in report["error"]
    saved = json.loads((tmp_path / "out" / "empty.json").read_text())
    assert saved == reports[0]


def test_short_and_odd_sized_clips_are_read(model, tmp_path, capsys):
    videos = [
        write_clip(tmp_path / "short.avi", count=3),
        write_clip(tmp_path / "odd.avi", size=(98, 62)),
    ]
    status, reports, _ = run(capsys, model, videos, tmp_path / "out")
    assert status == 0
    assert [report["frames"] for report in reports] == [3, 12]


def test_videos_of_one_name_keep_their_files_apart(tmp_path):
    assert predict.unique_names(["a/x.avi", "b/x.mp4", "x-2.avi", "b/x.avi"]) == [
        "x",
        "x-2",
        "x-2-2",
        "x-3",
    ]


def test_a_truncated_artifact_is_one_line(model, tmp_path, capsys):
    for path in model.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes()[:200])
    status = predict.main([f"--model={tmp_path}", "clip.avi"])
    errors = capsys.readouterr().err
    assert status == 2
    assert errors.startswith("error: ") and errors.count("\n") == 1


def test_bad_arguments_are_one_line(model, tmp_path, capsys):
    (tmp_path / "file").touch()
    arguments = [
        [f"--model={model}"],
        [f"--model={model}", "clip.avi", "--top_k=0"],
        [f"--model={model}", "clip.avi", f"--out={tmp_path / 'file'}"],
        [f"--model={tmp_path}", "clip.avi"],
    ]
    culprits = ("VIDEO", "--top_k", "file", "--mode=export")
    for given, culprit in zip(arguments, culprits, strict=True):
        assert predict.main(given) == 2
        errors = capsys.readouterr().err
        assert errors.startswith("error: ") and errors.count("\n") == 1
        assert culprit in errors


def test_computes_only_the_flows_that_it_needs(model, tmp_path, monkeypatch):
    path = write_clip(tmp_path / "long.avi", count=80)
    pairs = []
    compute = flow.compute

    def counting(frames, *arguments):
        pairs.append(len(frames) - 1)
        return compute(frames, *arguments)

    monkeypatch.setattr(flow, "compute", counting)
    predict.predict(artifact.load(model), path)
    assert 0 < sum(pairs) <= 2 * (2 * 3 + 4)


def test_flows_are_those_of_the_whole_video(model, tmp_path):
    settings = artifact.load(model).preprocessing
    frames = video.decode(write_clip(tmp_path / "a.avi", step=2), SIZE)
    moments = [sampling.Moment(0, 3, 1), sampling.Moment(0, 8, 1)]
    found = predict.needed_flows(settings, moments, frames)
    whole = flow.compute(frames, tvl1.Parameters(**PARAMETERS))
    for position, codes in found.items():
        np.testing.assert_array_equal(codes, whole[position].transpose(2, 0, 1))


def test_fast_flow_is_another_preset(model, tmp_path, capsys, monkeypatch):
    used = []
    compute = flow.compute
    monkeypatch.setattr(
        flow, "compute", lambda f, p, *a: used.append(p) or compute(f, p, *a)
    )
    clips = [write_clip(tmp_path / "clip.mp4")]
    assert run(capsys, model, clips, tmp_path / "out", "--fast_flow")[0] == 0
    assert set(used) == {tvl1.PRESETS["fast"]}


def test_loads_no_training_code(model, tmp_path):
    path = write_clip(tmp_path / "clip.avi")
    script = """
import sys
from stpn_jax import predict
status = predict.main(sys.argv[1:])
heavy = {"tensorflow", "tensorflow_datasets", "flax", "optax", "grain", "orbax"}
ours = ("models", "train", "evaluation", "weights", "experiment", "data.records")
heavy |= {f"stpn_jax.{name}" for name in ours}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
sys.exit(status)
"""
    flags = [f"--model={model}", f"--out={tmp_path}", "--snippets=1", path]
    subprocess.run([sys.executable, "-c", script, *flags], check=True)
