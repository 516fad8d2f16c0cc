"""The embedded data set: its files, and that no group gives away what it should not."""

import collections
import dataclasses
import io
import itertools

import av
import cv2
import numpy as np
import pytest

from stpn_jax.synthetic import sprites, videos
from stpn_jax.utils import errors

SHAPE = sprites.Shape()


def decode(video: bytes) -> np.ndarray:
    with av.open(io.BytesIO(video)) as container:
        frames = [f.to_ndarray(format="rgb24") for f in container.decode(video=0)]
    return np.stack(frames)


def clip(label: str, number: int = 0, seed: int = 5) -> videos.Clip:
    return videos.Clip(seed, "train", label, number, SHAPE)


def drawn_frames(one: videos.Clip) -> np.ndarray:
    return sprites.draw(one.layout(), one.shape)


def grey(frames: np.ndarray) -> np.ndarray:
    return np.stack([cv2.cvtColor(f, cv2.COLOR_RGB2GRAY) for f in frames]).astype(int)


def steps(label: str, number: int) -> np.ndarray:
    """Displacement in every flow of every sprite of a clip: [sprites, flows, 2]."""
    rng = np.random.default_rng(number)
    return np.stack(
        [
            np.diff(sprites.path(s, SHAPE, rng), axis=0)
            for s in clip(label, number).scene
        ]
    )


def group(letter: str) -> list[str]:
    return [label for label in videos.CLASSES if label.startswith(letter)]


def test_writes_every_clip_and_the_groups_and_nothing_depends_on_the_run(tmp_path):
    shape = sprites.Shape(frames=5, size=32)
    written = {}
    for name, processes in (("one", 1), ("two", 2)):
        out = tmp_path / name
        assert videos.write(out, 3, 2, 1, shape, processes) == 39
        files = sorted(p for p in out.rglob("*") if p.is_file())
        written[name] = {str(p.relative_to(out)): p.read_bytes() for p in files}
    assert written["one"] == written["two"]
    assert len(written["one"]) == 41
    rows = written["one"]["groups.csv"].decode().split()
    assert rows[0] == "class,group" and rows[1] == "a_red,a_appearance"
    assert [row.split(",")[0] for row in rows[1:]] == list(videos.CLASSES)
    frames = decode(written["one"]["test/e_red_moves/e_red_moves_000.mp4"])
    assert frames.shape == (5, 32, 32, 3)


def test_every_clip_and_seed_differ():
    clips = videos.clips_of(0, 2, 2, SHAPE) + videos.clips_of(1, 2, 2, SHAPE)
    numbers = {c.generator().integers(2**60) for c in clips}
    assert len(numbers) == len(clips) == 2 * 13 * 4


def test_writing_twice_is_harmless_and_a_foreign_clip_is_named(tmp_path):
    arguments = [str(tmp_path), "--seed=1", "--train=1", "--test=0", "--frames=4"]
    assert videos.main([*arguments, "--size=32"]) == 0
    assert videos.main([*arguments, "--size=32"]) == 0
    (tmp_path / "train" / "a_red" / "mine.mp4").write_bytes(b"")
    with pytest.raises(errors.UsageError, match=r"mine\.mp4"):
        videos.write(tmp_path, 1, 1, 0, sprites.Shape(4, 32))


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--seed=1", "--size=33"], "--size=33"),
        (["--seed=1", "--frames=2"], "--frames=2"),
        (["--seed=-1"], "--seed: expected"),
        (["--seed=1", "--train=0", "--test=0"], "0 clips"),
    ],
)
def test_bad_arguments_get_one_line(tmp_path, capsys, arguments, named):
    assert videos.main([str(tmp_path), *arguments]) == 2
    message = capsys.readouterr().err
    assert named in message and message.count("\n") == 1


def test_decoders_see_what_was_drawn():
    drawn = drawn_frames(clip("a_green"))
    luma = drawn[:, : SHAPE.size].astype(float)
    seen = grey(decode(videos.encode(drawn)))
    assert np.abs(seen - (luma - 16) * 255 / 219).mean() < 3


def test_colour_is_invisible_in_grey_but_plain_in_rgb(monkeypatch):
    """Same clip, other hue: grey frames agree up to rounding."""
    seen = {}
    for name, hue in dict(sprites.HUES).items():
        monkeypatch.setitem(sprites.HUES, "red", hue)
        seen[name] = decode(videos.encode(drawn_frames(clip("a_red"))))
    for one, other in itertools.combinations(seen.values(), 2):
        difference = np.abs(grey(one) - grey(other))
        assert difference.max() <= 3 and difference.mean() < 0.1
        assert np.abs(one.astype(int) - other).max() > 60


def test_a_frame_is_coded_without_its_neighbours():
    """No residue of motion: a frame does not depend on the others."""
    frames = drawn_frames(clip("b_up"))
    alone = decode(videos.encode(frames[7:8]))
    np.testing.assert_array_equal(decode(videos.encode(frames))[7:8], alone)


def test_positions_are_alike_in_all_classes_of_a_group():
    """Start and wrap-around make the height uniform, in every frame of every class."""
    for label in videos.CLASSES:
        heights = []
        for number in range(300):
            rng = np.random.default_rng(number)
            for sprite in clip(label, number).scene:
                path = sprites.path(sprite, SHAPE, rng) % SHAPE.size
                heights.append(path[[0, 17, 35], 0])
        counts = np.stack(
            [np.histogram(h, 4, (0, SHAPE.size))[0] for h in np.stack(heights, axis=1)]
        )
        assert np.abs(counts / counts.sum(1, keepdims=True) - 0.25).max() < 0.09, label


@pytest.mark.parametrize("letter", "bcd")
def test_colours_do_not_tell_the_classes_of_b_c_d_apart(letter):
    seen = [
        collections.Counter(s.colour for n in range(36) for s in clip(label, n).scene)
        for label in group(letter)
    ]
    assert all(counter == seen[0] for counter in seen)


@pytest.mark.parametrize("letter", "ade")
def test_motion_does_not_tell_the_classes_of_a_d_e_apart(letter):
    def motions(label):
        for number in range(36):
            scene = clip(label, number).scene
            yield tuple(sorted((s.first, s.second, s.column or 0) for s in scene))

    seen = [collections.Counter(motions(label)) for label in group(letter)]
    assert all(counter == seen[0] for counter in seen)


def test_b_is_its_direction():
    for label, axis, signs in (
        ("b_up", 0, {-1}),
        ("b_down", 0, {1}),
        ("b_sideways", 1, {-1, 1}),
    ):
        moved = np.concatenate([steps(label, n)[0] for n in range(12)])
        assert set(np.sign(moved[:, axis])) == signs
        assert not moved[:, 1 - axis].any()


def test_no_single_stack_of_c_holds_both_directions_and_three_paths_always_do():
    for label, sign in (("c_straight_on", 1), ("c_there_and_back", -1)):
        firsts = collections.Counter()
        for number in range(12):
            vertical = np.sign(steps(label, number)[0][:, 0])
            moving = np.flatnonzero(vertical)
            gap = int(np.argmax(np.diff(moving)))
            before, after = moving[: gap + 1], moving[gap + 1 :]
            assert after[0] - before[-1] > videos.PAUSE
            assert vertical[before[0]] * vertical[after[0]] == sign
            # Centres 15 to 20 are those with which three paths of L = tau = 10 fit.
            for centre in range(15, 21):
                stacks = vertical[centre - 15 : centre + 15].reshape(3, 10)
                assert stacks[0].any() and stacks[2].any()
            firsts[vertical[0]] += 1
        assert firsts == {-1: 6, 1: 6}


def test_d_needs_colour_and_direction_together():
    """Each colour and each direction is half of either class; the pairs decide."""
    pairs = {}
    for label in group("d"):
        scenes = [clip(label, n).scene[0] for n in range(8)]
        pairs[label] = {(s.colour, s.first) for s in scenes}
    one, other = pairs.values()
    assert len(one) == len(other) == 2 and not one & other
    for part in (0, 1):
        assert {p[part] for p in one} == {p[part] for p in other}


def test_e_shows_every_colour_in_every_place_and_moves_the_named_one():
    for label in group("e"):
        places = collections.Counter()
        for number in range(12):
            scene = clip(label, number).scene
            assert {s.colour for s in scene} == set(sprites.HUES)
            moving = [s for s in scene if s.first != sprites.STILL]
            assert [s.colour for s in moving] == [label.split("_")[1]]
            places[moving[0].column, moving[0].first] += 1
        assert len(places) == 6 and set(places.values()) == {2}


def test_sprites_of_e_never_touch():
    shape = dataclasses.replace(SHAPE, frames=36)
    for seed in range(20):
        rng = np.random.default_rng(seed)
        scene = clip("e_red_moves", seed).scene
        columns = sorted(sprites.path(s, shape, rng)[0, 1] for s in scene)
        assert min(np.diff(columns)) > 2 * shape.radius


@pytest.mark.parametrize(
    "label", ["a_red", "b_sideways", "c_straight_on", "e_blue_moves"]
)
@pytest.mark.parametrize("number", [0, 1, 2, 3])
def test_the_boxes_are_where_the_pixels_change(label, number):
    """What differs between two frames far apart is in the boxes of one of the two."""
    one = clip(label, number)
    frames = grey(decode(videos.encode(drawn_frames(one)))[[0, SHAPE.frames // 3]])
    changed = np.abs(frames[1] - frames[0]) > 20
    inside = np.zeros_like(changed)
    area = np.zeros(SHAPE.frames)
    for row in videos.moving(one):
        assert row.video == f"train/{label}/{label}_{number:03d}.mp4"
        y0, x0, y1, x1 = (SHAPE.size * side for side in row[2:])
        area[row.frame] += (y1 - y0) * (x1 - x0)
        if row.frame in (0, SHAPE.frames // 3):
            inside[round(y0) : round(y1), round(x0) : round(x1)] = True
    assert changed.sum() > 100
    assert (changed & inside).sum() > 0.98 * changed.sum()
    np.testing.assert_allclose(area, (2 * SHAPE.radius) ** 2)
