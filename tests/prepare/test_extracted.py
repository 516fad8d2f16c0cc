"""Frames and flow of other programs: layouts are equivalent, mismatches are named."""

import os

import cv2
import numpy as np
import pytest
from reference import extractors, videos

from stpn_jax.ops import tvl1
from stpn_jax.prepare import clips, encoding, flow_check
from stpn_jax.prepare.precomputed import extracted, image_series
from stpn_jax.utils import errors
from stpn_jax.video import decoding

SETTINGS = encoding.Settings(extractors.SIZE, extractors.BOUND, 95, None)


def settings(**changes):
    return encoding.Settings(**{**vars(SETTINGS), **changes})


def task(root, name="run/a", flow=None):
    stem = name.removesuffix(".avi")
    (folders,) = image_series.locate(flow or root, [stem])
    return clips.Task(name, str(root / name), str(root / "c.npz"), folders)


def encode(root, name="run/a", flow=None, **changes):
    one = task(root, name, flow)
    return clips.encode(one.source(), settings(**changes), one.extracted_flow())


def decoded(files, mode=cv2.IMREAD_UNCHANGED):
    return np.stack([cv2.imdecode(np.frombuffer(f, np.uint8), mode) for f in files])


def dense(root, name="run/a", layout=extractors.MMACTION, **options):
    made = extractors.clip(**options)
    extractors.write(root / name, made, layout)
    return made


ONE_LESS = ["DENSEFLOW", "MMACTION", "FOLDERS", "MIXED"]


@pytest.mark.parametrize("name", ONE_LESS)
def test_layouts_with_a_flow_less(tmp_path, name):
    made = dense(tmp_path, layout=getattr(extractors, name))
    found = encode(tmp_path)
    assert len(found.frames) == 9
    flows = np.stack([decoded(found.flow_x), decoded(found.flow_y)], -1)
    np.testing.assert_array_equal(flows, made.codes)
    frames = decoded(found.frames, cv2.IMREAD_COLOR_RGB)
    assert np.abs(frames.astype(int) - made.frames).mean() < 2


@pytest.mark.parametrize(
    ("name", "leads"), [("DENSE_FLOW", extracted.INTO), ("PADDED", extracted.FROM)]
)
def test_layouts_with_as_many_flows_as_frames(tmp_path, name, leads):
    made = dense(tmp_path, layout=getattr(extractors, name))
    with pytest.raises(decoding.VideoError, match="--flow_leads"):
        encode(tmp_path)
    found = encode(tmp_path, leads=leads)
    flows = np.stack([decoded(found.flow_x), decoded(found.flow_y)], -1)
    np.testing.assert_array_equal(flows, made.codes)


@pytest.mark.parametrize("axes", [("u", "v"), ("flow_x", "flow_y"), ("x", "y")])
@pytest.mark.parametrize("clip", ["a", "run/a"])
@pytest.mark.parametrize("inside", [False, True])
def test_components_in_folders_of_their_own(tmp_path, axes, clip, inside):
    made = extractors.clip()
    layout = extractors.Layout(frame="frame", x="frame", y="frame", digits=6)
    flow = tmp_path / "flow"
    folders = tuple(flow / clip / a if inside else flow / a / clip for a in axes)
    extractors.write_frames(tmp_path / "run" / "a", made, layout)
    extractors.write_flow(folders, made, layout)
    found = encode(tmp_path, flow=flow)
    np.testing.assert_array_equal(decoded(found.flow_y), made.codes[..., 1])


def test_files_that_fit_are_taken_byte_for_byte(tmp_path):
    dense(tmp_path)
    found = encode(tmp_path)
    folder = tmp_path / "run" / "a"
    assert found.frames == [p.read_bytes() for p in sorted(folder.glob("img_*"))]
    assert found.flow_x == [p.read_bytes() for p in sorted(folder.glob("flow_x_*"))]
    assert found.flow_y == [p.read_bytes() for p in sorted(folder.glob("flow_y_*"))]


def test_png_files_become_jpeg(tmp_path):
    made = dense(tmp_path, layout=extractors.Layout(ending=".png"))
    found = encode(tmp_path)
    assert all(f.startswith(b"\xff\xd8\xff") for f in found.frames + found.flow_x)
    np.testing.assert_array_equal(decoded(found.flow_x), made.codes[..., 0])


def test_another_size_scales_the_displacement(tmp_path):
    made = dense(tmp_path)
    found = encode(tmp_path, size=(32, 48))
    for files, axis, scale in ((found.flow_x, 0, 0.5), (found.flow_y, 1, 1.0)):
        codes = decoded(files)
        assert codes.shape == (8, 48, 32)
        expected = (made.codes[:, :1, :1, axis] - 127.5) * scale + 127.5
        assert np.abs(codes - expected).max() <= 1
    assert decoded(found.frames).shape == (9, 48, 32, 3)


def test_frames_of_a_video_with_extracted_flow(tmp_path):
    made = extractors.clip()
    videos.write(tmp_path / "run" / "a.avi", made.frames, codec="mpeg4")
    extractors.write_flow((tmp_path / "f" / "a",) * 2, made)
    found = encode(tmp_path, "run/a.avi", tmp_path / "f")
    np.testing.assert_array_equal(decoded(found.flow_x), made.codes[..., 0])
    assert len(found.frames) == 9


def test_extracted_frames_with_computed_flow(tmp_path, monkeypatch):
    made = dense(tmp_path)
    monkeypatch.setattr(clips.flow_codec, "compute", lambda frames, *_: made.codes[:8])
    monkeypatch.setattr(clips.flow_codec, "chunk", lambda: 16)
    source = task(tmp_path).source()
    found = clips.encode(source, settings(flow=tvl1.Parameters()))
    folder = tmp_path / "run" / "a"
    assert found.frames == [p.read_bytes() for p in sorted(folder.glob("img_*"))]
    assert source.size == extractors.SIZE


def _drop(pattern):
    def damage(folder):
        for path in folder.glob(pattern):
            path.unlink()

    return damage


def _write(name, data):
    return lambda folder: (folder / name).write_bytes(data)


def _image(name, image):
    return lambda folder: cv2.imwrite(str(folder / name), image)


def _cut(name):
    def damage(folder):
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[: len(data) // 2])

    return damage


COLOURS = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (_drop("flow_x_00004.jpg"), "flow_x_00003.jpg and flow_x_00005.jpg"),
        (_drop("img_00002.jpg"), "image 2 is missing between"),
        (_drop("flow_y_00008.jpg"), "8 images of flow in x and 7 in y: image 8 occurs"),
        (_drop("img_00009.jpg"), "as many flows as frames"),
        (_drop("*_00008.jpg"), "is missing between"),
        (_drop("flow_?_0000[78].jpg"), "9 frames and 6 flows: 8 flows are expected"),
        (_drop("flow_*"), "has no flow: files such as flow_x_00001.jpg"),
        (_drop("img_*"), "has no frames: files such as img_00001.jpg"),
        (_write("img_00003.jpg", b""), "img_00003.jpg is not an image"),
        (_write("flow_y_00003.jpg", b"GIF89a"), "flow_y_00003.jpg is not an image"),
        (_cut("flow_x_00002.jpg"), "flow_x_00002.jpg is cut off"),
        (_cut("img_00005.jpg"), "img_00005.jpg is cut off"),
        (_image("img_1.jpg", COLOURS), "one image of each number is expected"),
        (_image("flow_x_00001.jpg", COLOURS), "flow_x_00001.jpg is a colour image"),
    ],
)
def test_mismatches_are_named(tmp_path, damage, reason):
    dense(tmp_path)
    one = task(tmp_path)
    damage(tmp_path / "run" / "a")
    report = clips.process(one, SETTINGS)
    assert reason in report.error, report.error
    assert not (tmp_path / "c.npz").exists()


def test_sixteen_bits_are_rejected(tmp_path):
    dense(tmp_path, layout=extractors.Layout(ending=".png"))
    path = tmp_path / "run" / "a" / "flow_x_00001.png"
    cv2.imwrite(str(path), np.zeros((48, 64), np.uint16))
    assert "8 bits" in clips.process(task(tmp_path), SETTINGS).error


def test_a_clip_without_flow_and_one_without_frames(tmp_path):
    dense(tmp_path)
    folders = image_series.locate(tmp_path, ["run/a", "run/b"])
    one = task(tmp_path)._replace(flow=folders[1])
    assert f"no folder {tmp_path}/run/b" in clips.process(one, SETTINGS).error
    with pytest.raises(decoding.VideoError, match="no folder"):
        image_series.frames(tmp_path / "none")


def test_a_grey_image_of_three_channels_passes(tmp_path):
    made = dense(tmp_path)
    path = tmp_path / "run" / "a" / "flow_x_00001.jpg"
    cv2.imwrite(str(path), np.repeat(made.codes[0, ..., :1], 3, -1))
    found = encode(tmp_path)
    grey = decoded(found.flow_x[:1], cv2.IMREAD_GRAYSCALE)
    assert np.abs(grey.astype(int) - made.codes[:1, ..., 0]).max() <= 1


def test_a_finished_clip_is_known_again_and_a_changed_one_is_not(tmp_path):
    dense(tmp_path)
    first = clips.process(task(tmp_path), SETTINGS)
    written = (tmp_path / "c.npz").stat().st_mtime_ns
    assert clips.process(task(tmp_path), SETTINGS) == first
    assert (tmp_path / "c.npz").stat().st_mtime_ns == written
    path = tmp_path / "run" / "a" / "flow_x_00001.jpg"
    cv2.imwrite(str(path), COLOURS[..., 0])
    assert clips.process(task(tmp_path), SETTINGS) != first


def several(root, layout=extractors.MMACTION, **options):
    names = [f"run/{i}" for i in range(3)]
    for seed, name in enumerate(names):
        dense(root, name, layout, seed=seed, count=12, **options)
    return [task(root, name) for name in names]


def test_right_conventions_give_no_warning(tmp_path):
    lines, warnings = flow_check.check(several(tmp_path), SETTINGS)
    assert warnings == []
    assert len(lines) == 1
    assert "in 3 clips" in lines[0]


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [("DENSE_FLOW", "into", "from"), ("PADDED", "from", "into")],
)
def test_the_frame_of_a_flow_number_is_measured(tmp_path, name, right, wrong):
    tasks = several(tmp_path, getattr(extractors, name))
    with pytest.raises(errors.UsageError, match=f": --flow_leads={right} fits"):
        flow_check.check(tasks, SETTINGS)
    assert flow_check.check(tasks, settings(leads=right))[1] == []
    warnings = flow_check.check(tasks, settings(leads=wrong))[1]
    assert any(f"--flow_leads={right} fits" in warning for warning in warnings)


@pytest.mark.parametrize(("bound", "factor"), [(10.0, "twice"), (40.0, "half")])
def test_a_wrong_bound_of_extracted_flow_gives_a_warning(tmp_path, bound, factor):
    warnings = flow_check.check(several(tmp_path), settings(bound=bound))[1]
    assert any(f"{factor} the bound" in warning for warning in warnings)


def test_the_check_skips_damaged_clips(tmp_path):
    tasks = several(tmp_path, extractors.DENSE_FLOW)
    _cut("flow_x_00002.jpg")(tmp_path / "run" / "0")
    lines, _ = flow_check.check(tasks, settings(leads="into"))
    assert "in 2 clips" in lines[-1]
    for name in ("1", "2"):
        _cut("img_00002.jpg")(tmp_path / "run" / name)
    lines, (warning,) = flow_check.check(tasks, settings(leads="into"))
    assert lines == []
    assert "was not checked" in warning and "flow_x_00002.jpg is cut off" in warning


def test_a_few_clips_of_another_count_do_not_stop_the_others(tmp_path):
    tasks = several(tmp_path)
    _drop("img_00001.jpg")(tmp_path / "run" / "0")
    lines, _ = flow_check.check(tasks, SETTINGS)
    assert "1 of 3 clips have as many flows as frames" in lines[0]
    assert "in 2 clips" in lines[1]


def test_flow_that_lost_its_first_image_everywhere_gives_a_warning(tmp_path):
    tasks = several(tmp_path, extractors.PADDED)
    for name in "012":
        _drop("flow_?_00001.jpg")(tmp_path / "run" / name)
    warnings = flow_check.check(tasks, SETTINGS)[1]
    assert "the flow of the frame before fits better" in warnings[-1]


def test_leads_with_a_flow_less(tmp_path):
    with pytest.raises(errors.UsageError, match="leave it out"):
        flow_check.check(several(tmp_path), settings(leads="into"))


def test_what_stands_still_cannot_be_measured(tmp_path):
    made = extractors.clip()
    still = made._replace(frames=np.repeat(made.frames[:1], 9, 0), codes=made.codes * 0)
    extractors.write(tmp_path / "run" / "a", still, extractors.PADDED)
    with pytest.raises(errors.UsageError, match=r"nothing moves|explains"):
        flow_check.check([task(tmp_path)], SETTINGS)


@pytest.mark.parametrize(
    ("name", "lost", "leads"),
    [
        ("DENSE_FLOW", "flow_?_00009.jpg", "into"),
        ("PADDED", "flow_?_00001.jpg", "from"),
    ],
)
def test_an_image_lost_at_an_end_does_not_shift_the_flow(tmp_path, name, lost, leads):
    dense(tmp_path, layout=getattr(extractors, name))
    _drop(lost)(tmp_path / "run" / "a")
    report = clips.process(task(tmp_path), settings(leads=leads))
    assert "9 frames and 8 flows: 9 flows are expected" in report.error


def test_x_and_y_of_different_numbers_are_rejected(tmp_path):
    dense(tmp_path, layout=extractors.PADDED)
    _drop("flow_x_00001.jpg")(tmp_path / "run" / "a")
    _drop("flow_y_00009.jpg")(tmp_path / "run" / "a")
    report = clips.process(task(tmp_path), settings(leads="from"))
    assert "image 1 occurs in y alone" in report.error


def test_two_layouts_in_one_clip_are_rejected(tmp_path):
    dense(tmp_path)
    extractors.write_flow((tmp_path / "run" / "a",) * 2, extractors.clip(),
                          extractors.Layout(x="x_", y="y_"))  # fmt: skip
    report = clips.process(task(tmp_path), SETTINGS)
    assert "flow of two layouts: flow_x_ and x_" in report.error


def test_no_clip_gets_the_flow_of_another(tmp_path):
    flow = tmp_path / "flow"
    dense(flow, "c1")
    with pytest.raises(errors.UsageError, match="flow of both a/c1 and b/c1"):
        image_series.locate(flow, ["a/c1", "b/c1"])
    with pytest.raises(errors.UsageError, match="no such folder"):
        image_series.locate(flow / "none", ["a/c1"])
    with pytest.raises(errors.UsageError, match="no flow of any clip, such as a/c2"):
        image_series.locate(flow, ["a/c2"])


def test_classes_may_be_called_u_and_v(tmp_path):
    for name in ("u/01", "v/01"):
        dense(tmp_path, name)
    found = image_series.locate(tmp_path, ["a/01", "u/01", "v/01"])
    assert found[1].x == found[1].y == str(tmp_path / "u" / "01")
    assert found[0].x == str(tmp_path / "a" / "01")


def test_swapped_folders_are_seen_when_the_work_resumes(tmp_path):
    made = extractors.clip()
    extractors.write_frames(tmp_path / "run" / "a", made)
    layout = extractors.Layout(x="frame", y="frame")
    flow = tmp_path / "flow"
    folders = tuple(flow / one / "a" for one in ("u", "v"))
    moving = made._replace(codes=np.array(made.codes))
    moving.codes[:, 4:40, 9:, 1] = 140
    extractors.write_flow(folders, moving, layout)
    one = task(tmp_path, flow=flow)
    first = clips.process(one, SETTINGS)
    folders[0].rename(flow / "t")
    folders[1].rename(folders[0])
    (flow / "t").rename(folders[1])
    assert clips.process(one, SETTINGS).source_digest != first.source_digest


def test_a_finished_clip_outlives_its_source(tmp_path):
    dense(tmp_path)
    one = task(tmp_path)
    first = clips.process(one, SETTINGS)
    (tmp_path / "run" / "a").rename(tmp_path / "gone")
    report = clips.process(one._replace(path=str(tmp_path / "gone")), SETTINGS)
    assert (report.frames, report.error) == (first.frames, "")
    assert "cannot be read now" in report.warnings[-1]


def test_a_tag_of_the_orientation_is_left_behind(tmp_path):
    made = dense(tmp_path)
    path = tmp_path / "run" / "a" / "flow_x_00001.jpg"
    data = path.read_bytes()
    tag = bytes.fromhex(
        "ffe100224578696600004d4d002a00000008000101120003000000010003000000000000"
    )
    path.write_bytes(data[:2] + tag + data[2:])
    found = encode(tmp_path)
    assert b"Exif" not in found.flow_x[0]
    grey = decoded(found.flow_x[:1], cv2.IMREAD_GRAYSCALE)
    np.testing.assert_array_equal(grey[0], made.codes[0, ..., 0])


@pytest.mark.parametrize("kind", ["fifo", "link", "folder"])
def test_what_is_no_regular_file_is_not_read(tmp_path, kind):
    dense(tmp_path)
    path = tmp_path / "run" / "a" / "img_00003.jpg"
    path.unlink()
    make = {
        "fifo": os.mkfifo,
        "link": lambda p: p.symlink_to("none"),
        "folder": os.mkdir,
    }
    make[kind](path)
    assert "not a regular file" in clips.process(task(tmp_path), SETTINGS).error


def test_frames_of_several_sizes_give_a_warning(tmp_path):
    dense(tmp_path)
    path = tmp_path / "run" / "a" / "img_00003.jpg"
    cv2.imwrite(str(path), COLOURS[:24])
    assert "64x24, 64x48" in clips.process(task(tmp_path), SETTINGS).warnings[0]
