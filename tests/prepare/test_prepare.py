"""The command line from video files to records: good clips, bad clips, bad input."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter

import cv2
import jax.numpy as jnp
import numpy as np
import pytest
from reference import videos

from stpn_jax.datasets import builders
from stpn_jax.ops import tvl1
from stpn_jax.prepare import clip_report, clips, encoding, workers
from stpn_jax.prepare import command as prepare
from stpn_jax.records import records
from stpn_jax.utils import locks
from stpn_jax.utils.errors import UsageError
from stpn_jax.video import decoding, flow_codec

SIZE = (32, 24)


def _cheap_flow(first, second, parameters, together):
    """Stands for TV-L1: the change of grey value, in x and negated in y."""
    change = jnp.asarray(second, jnp.float32) - jnp.asarray(first, jnp.float32)
    return jnp.stack([change, -change], -1) / 10


@pytest.fixture
def cheap_flow(monkeypatch):
    pytest.importorskip("tensorflow")
    flow_codec._codes.clear_cache()
    monkeypatch.setattr(tvl1, "flow", _cheap_flow)
    yield
    flow_codec._codes.clear_cache()


@pytest.fixture
def folder(tmp_path):
    """Two classes of three clips, of 3 to 20 frames."""
    root = tmp_path / "videos"
    for i, count in enumerate((3, 17, 20)):
        for label in ("run", "sit"):
            videos.write(root / label / f"{i}.avi", videos.frames(count))
    return root


def command(folder, data_dir, *more):
    fixed = ["--dataset=folder", "--size=32x24", "--workers=1"]
    return [*fixed, f"--videos={folder}", f"--data_dir={data_dir}", *more]


def run(capsys, *arguments):
    """Exit code, what was printed, and the one line of an error."""
    code = prepare.main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    lines = [line for line in err.splitlines() if line.startswith("error: ")]
    assert len(lines) == (code != 0)
    return code, out, "".join(lines)


def read_report(data_dir):
    return json.loads((data_dir / clip_report.FILE).read_text())


def grey(jpeg):
    return cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)


def test_records_have_every_frame_and_flow(cheap_flow, folder, tmp_path, capsys):
    code, out, _ = run(capsys, *command(folder, tmp_path / "out", "--verify"))
    assert code == 0
    assert "checksums of all 6 records are right" in out
    dataset = records.open_dataset(tmp_path / "out", SIZE)
    assert dataset.meta.classes == ("run", "sit")
    assert dataset.names[4] == "sit/1.avi"
    assert list(dataset.num_frames) == [3, 17, 20] * 2
    parts = [membership[0] for membership in dataset.membership]
    assert (parts.count("train"), parts.count("test")) == (4, 2)
    for index, name in enumerate(dataset.names):
        expected = videos.decode(folder / name, SIZE)
        found = dataset.frames(index, range(len(expected)))
        for data, frame in zip(found, expected, strict=True):
            error = cv2.absdiff(grey(data), cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY))
            assert error.mean() < 4
        codes = flow_codec.compute(expected)
        for component, data in enumerate(dataset.flows(index, range(len(codes)))):
            found = np.stack([grey(image) for image in data])
            assert cv2.absdiff(found, codes[..., component]).mean() < 4


def test_it_names_every_file_it_wrote(cheap_flow, folder, tmp_path, capsys):
    out_dir = tmp_path / "out"
    _, out, _ = run(capsys, *command(folder, out_dir))
    named = {line.strip() for line in out.split("wrote:")[1].splitlines() if line}
    assert named == {str(path) for path in out_dir.rglob("*") if path.is_file()}
    assert "estimate" in out and "chosen at random, clip by clip" in out
    report = read_report(out_dir)
    places = Counter(clip["membership"] for clip in report["clips"])
    assert places == report["membership"] and set(places) == {"train", "test"}
    totals = report["totals"]
    assert (totals["records"], totals["frames"], totals["flows"]) == (6, 80, 74)
    assert totals["shorter_than_30_flows"] == 6


def test_the_same_command_twice_and_others(cheap_flow, folder, tmp_path, capsys):
    out_dir = tmp_path / "out"
    assert run(capsys, *command(folder, out_dir))[0] == 0
    code, out, _ = run(capsys, *command(folder, out_dir))
    assert (code, "complete already" in out) == (0, True)
    code, _, line = run(capsys, *command(folder, out_dir, "--size=40x30"))
    assert (code, "size was [32, 24] and is [40, 30]" in line) == (2, True)
    code, _, line = run(capsys, *command(folder, out_dir, "--classes=run"))
    assert (code, "classes" in line) == (2, True)
    videos.write(folder / "sit" / "new.avi", videos.frames(3))
    code, _, line = run(capsys, *command(folder, out_dir))
    assert (code, "other clips" in line) == (2, True)


def test_bad_clips_are_listed_and_good_ones_kept(cheap_flow, folder, tmp_path, capsys):
    bad = folder / "run"
    (bad / "zero.avi").write_bytes(b"")
    (bad / "text.avi").write_text("hello\n" * 100)
    (bad / "notes.txt").write_text("hello\n")
    videos.write(bad / "one.avi", videos.frames(1))
    videos.write_audio(bad / "sound.mkv")
    videos.truncate(videos.write(bad / "cut.mp4", videos.frames(9)), 0.5)
    videos.truncate(videos.write(bad / "short.avi", videos.frames(20)), 0.6)
    videos.write(bad / "odd.mkv", videos.frames(4, (65, 49)), codec="ffv1")
    code, out, _ = run(capsys, *command(folder, tmp_path / "out"))
    assert code == 0
    assert "5 skipped" in out
    reported = {clip["name"]: clip for clip in read_report(tmp_path / "out")["clips"]}
    errors = {name: clip["error"] for name, clip in reported.items() if clip["error"]}
    assert set(errors) == {
        f"run/{name}"
        for name in ("zero.avi", "text.avi", "one.avi", "sound.mkv", "cut.mp4")
    }
    assert "one frame" in errors["run/one.avi"]
    assert "no video stream" in errors["run/sound.mkv"]
    assert "cut off" in reported["run/short.avi"]["warnings"][0]
    assert reported["run/odd.mkv"]["size"] == [65, 49]
    names = records.open_dataset(tmp_path / "out").names
    assert set(names) == set(reported) - set(errors)
    assert "run/notes.txt" in out


def test_nothing_but_bad_clips(cheap_flow, tmp_path, capsys):
    (tmp_path / "v" / "run").mkdir(parents=True)
    (tmp_path / "v" / "run" / "a.avi").write_bytes(b"")
    code, _, line = run(capsys, *command(tmp_path / "v", tmp_path / "out"))
    assert code == 2
    assert "none of the 1 clips" in line
    assert "run/a.avi: the file is empty" in line


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--videos={videos}"], "--data_dir"),
        (["--data_dir={out}"], "--dataset is missing"),
        (["--data_dir={out}", "--dataset=folder"], "either --videos or --frames"),
        (["{all}", "--frames={videos}"], "either --videos or --frames"),
        (["{all}", "--flow={videos}"], "needs --flow_bound"),
        (["{all}", "--flow_leads=into"], "goes with --flow"),
        (["{all}", "--flow_boun=3"], "unrecognized arguments: --flow_boun"),
        (["--data_dir={out}", "--sizes=3x4"], "unrecognized arguments: --sizes"),
        (["--data_dir={out}", "--verify"], "holds no records"),
        (["{all}", "--dataset=kinetics"], "invalid choice: 'kinetics'"),
        (["{all}", "--size=340"], "expected WxH"),
        (["{all}", "--size=0x4"], "sides of 1 to"),
        (["{all}", "--size=99999x4"], "sides of 1 to"),
        (["{all}", "--data_dir="], "--data_dir: expected a path"),
        (["{all}", "--limit=-1"], "expected a whole number from 0"),
        (["{all}", "--hosts=2", "--host=2"], "from 0 to one less"),
        (["{all}", "--host=1"], "go together"),
        (["{all}", "--hosts=2"], "go together"),
        (["{all}", "--jpeg_quality=101"], "1 to 100"),
        (["{all}", "--flow_bound=no"], "a number above 0"),
        (["{all}", "--test_fraction=1"], "fraction below 1"),
        (["{all}", "--classes=rum"], "did you mean run?"),
        (["{all}", "--videos={videos}/none"], "no such folder"),
        (["{all}", "--dataset=ucf101"], "needs --splits"),
        (["{all}", "--dataset=ucf101", "--splits={videos}"], "classInd.txt"),
        (["{all}", "--data_dir={videos}/out"], "lies inside"),
    ],
)
def test_bad_input_gets_one_line(folder, tmp_path, capsys, arguments, message):
    pytest.importorskip("tensorflow")
    out = tmp_path / "out"
    known = {"videos": folder, "out": out}
    full = [
        value
        for argument in arguments
        for value in (
            command(folder, out) if argument == "{all}" else [argument.format(**known)]
        )
    ]
    code, _, line = run(capsys, *full)
    assert (code, message in line) == (2, True), line
    assert not (out / records.DESCRIPTION).exists()


def test_two_at_once_do_not_mix(folder, tmp_path, capsys):
    pytest.importorskip("tensorflow")
    (tmp_path / "out").mkdir()
    with locks.alone_in(tmp_path / "out", tmp_path / "out"):
        code, _, line = run(capsys, *command(folder, tmp_path / "out"))
    assert (code, "another prepare is at work" in line) == (2, True)


def contents(data_dir):
    """Bytes of all the files by name; what differs between folders left out."""
    return {
        str(path.relative_to(data_dir)): path.read_bytes()
        for path in data_dir.rglob("*")
        if path.is_file()
    }


def test_hosts_together_make_the_records_of_one(cheap_flow, folder, tmp_path, capsys):
    alone, shared = tmp_path / "alone", tmp_path / "shared"
    (folder / "run" / "broken.avi").write_bytes(b"no video")
    assert run(capsys, *command(folder, alone))[0] == 0
    for host, left in ((2, "hosts: 5 clips;"), (0, "hosts: 2 clips;")):
        share = [f"--host={host}", "--hosts=3"]
        code, out, _ = run(capsys, *command(folder, shared, *share))
        assert code == 0 and left in out
        assert not (shared / records.DESCRIPTION).exists()
    assert run(capsys, *command(folder, shared, "--host=1", "--hosts=3"))[0] == 0
    assert run(capsys, *command(folder, shared))[0] == 0
    assert contents(shared) == contents(alone)


def test_inspect_counts_and_draws(cheap_flow, folder, tmp_path, capsys):
    out = tmp_path / "out"
    assert run(capsys, *command(folder, out))[0] == 0
    code, reported, _ = run(capsys, f"--inspect={out}", "--clips=5")
    assert code == 0
    assert "6 clips of 2 classes, 80 frames and 74 flows of 32x24" in reported
    assert "in 6 clips" in reported
    assert (out / "contact_sheet.png").read_bytes().startswith(b"\x89PNG")
    sheet = tmp_path / "sheet.png"
    assert run(capsys, f"--inspect={out}", f"--out={sheet}")[0] == 0
    assert sheet.exists()
    assert run(capsys, f"--inspect={tmp_path}")[0] == 2
    assert ".png" in run(capsys, f"--inspect={out}", "--out=sheet.jpg")[2]
    assert "go with --inspect" in run(capsys, *command(folder, out, "--clips=3"))[2]


def test_hosts_that_have_no_clips(cheap_flow, folder, tmp_path, capsys):
    share = ["--host=8", "--hosts=9"]
    assert run(capsys, *command(folder, tmp_path / "out", *share))[0] == 0


def test_hosts_keep_out_of_each_others_share(cheap_flow, folder, tmp_path, capsys):
    out = tmp_path / "out"
    first = command(folder, out, "--host=0", "--hosts=2")
    assert run(capsys, *first)[0] == 0
    with locks.alone_in(out, out / ".clips", "host 0 of 2"):
        code, _, line = run(capsys, *first)
        assert (code, "works as host 0 of 2" in line) == (2, True)
        second = command(folder, out, "--host=1", "--hosts=2")
        assert run(capsys, *second)[0] == 0
        code, _, line = run(capsys, *command(folder, out))
        assert (code, "another prepare is at work" in line) == (2, True)


def test_a_damaged_plan_and_a_damaged_clip(cheap_flow, folder, tmp_path, capsys):
    plan = tmp_path / "out" / ".clips" / "plan.json"
    plan.parent.mkdir(parents=True)
    plan.write_text("{")
    code, _, line = run(capsys, *command(folder, tmp_path / "out"))
    assert (code, "plan.json: not the JSON" in line) == (2, True)
    plan.unlink()
    (plan.parent / clips.cache_name("run/0.avi")).write_bytes(b"PK")
    assert run(capsys, *command(folder, tmp_path / "out"))[0] == 0
    assert len(records.open_dataset(tmp_path / "out")) == 6
    next((tmp_path / "out" / "folder").rglob("*.tfrecord*")).unlink()
    code, _, line = run(capsys, *command(folder, tmp_path / "out"))
    assert (code, "0 bytes where" in line) == (2, True)


def test_a_folder_of_somebody_else_is_left_alone(folder, tmp_path, capsys):
    pytest.importorskip("tensorflow")
    precious = tmp_path / "out" / "folder" / "precious"
    precious.mkdir(parents=True)
    code, _, line = run(capsys, *command(folder, tmp_path / "out"))
    assert (code, "prepare did not make it" in line) == (2, True)
    assert precious.exists()


def test_official_lists(cheap_flow, tmp_path, capsys):
    root, lists = tmp_path / "videos", tmp_path / "lists"
    for name in ("a_@1", "b", "other"):
        videos.write(
            root / "wave" / f"{name}_wave_u_nm_np1_fr_med_0.avi", videos.frames(3)
        )
    lists.mkdir()
    for split, marks in {1: "1 2 1", 2: "2 1 1", 3: "0 1 2"}.items():
        names = [f"{n}_wave_u_nm_np1_fr_med_0.avi" for n in ("a_#1", "b", "c")]
        text = [f"{n} {m} \n" for n, m in zip(names, marks.split(), strict=True)]
        (lists / f"wave_test_split{split}.txt").write_text("".join(text))
    arguments = command(root, tmp_path / "out", "--dataset=hmdb51", f"--splits={lists}")
    code, out, _ = run(capsys, *arguments)
    assert code == 0
    assert "not in the folder: 1 clip of these classes" in out
    assert "1 left out:\n  wave/other_wave" in out
    dataset = records.open_dataset(tmp_path / "out")
    assert dataset.membership == (("train", "test", "none"), ("test", "train", "train"))
    assert dataset.sources == ("a_#1", "b")
    assert read_report(tmp_path / "out")["totals"]["listed_but_absent"] == 1


def test_an_interrupted_run_resumes(cheap_flow, folder, tmp_path, capsys, monkeypatch):
    out_dir, done = tmp_path / "out", []
    encode = clips.encode

    def stops(source, settings, flow):
        if len(done) == 3 and isinstance(source, decoding.Video):
            raise KeyboardInterrupt
        encoded = encode(source, settings, flow)
        done.append(getattr(source, "path", ""))
        return encoded

    monkeypatch.setattr(clips, "measure", lambda task, settings: None)
    monkeypatch.setattr(clips, "encode", stops)
    assert run(capsys, *command(folder, out_dir))[0] == 130
    kept = sorted((out_dir / ".clips").glob("*.npz"))
    times = [path.stat().st_mtime_ns for path in kept]
    assert len(kept) == 3
    code, _, line = run(capsys, *command(folder, out_dir, "--size=40x30"))
    assert (code, "size was [32, 24] and is [40, 30]" in line) == (2, True)
    monkeypatch.setattr(clips, "encode", encode)
    assert times == [path.stat().st_mtime_ns for path in kept]
    code, out, _ = run(capsys, *command(folder, out_dir))
    assert (code, "3 of 6 clips are there already" in out) == (0, True)
    assert len(records.open_dataset(out_dir)) == 6
    assert not (out_dir / ".clips").exists()


def test_a_clip_that_changed_is_encoded_again(cheap_flow, folder, tmp_path):
    task = clips.Task(
        "run/0.avi", str(folder / "run" / "0.avi"), str(tmp_path / "c.npz")
    )
    settings = encoding.Settings(SIZE, 20.0, 95, tvl1.Parameters())
    first = clips.process(task, settings)
    assert clips.process(task, settings) == first
    videos.write(folder / "run" / "0.avi", videos.frames(6))
    assert clips.process(task, settings).frames == 6
    assert len(clips.load(task.cache)["flow_y"]) == 5


def test_a_clip_longer_than_a_record(cheap_flow, folder, tmp_path, monkeypatch):
    monkeypatch.setattr(encoding, "RECORD_LIMIT", 1000)
    task = clips.Task("a", str(folder / "run" / "2.avi"), str(tmp_path / "c.npz"))
    reported = clips.process(task, encoding.Settings(SIZE, 20.0, 95, tvl1.Parameters()))
    assert "cut it into shorter clips" in reported.error


def _full_for_clips(*arguments):
    raise OSError(errno.ENOSPC, "No space left on device")


def _full_for_tensorflow(*arguments):
    class ResourceExhaustedError(Exception):
        """Stands for TensorFlow's, which tfds wraps in an error of its own."""

    raise RuntimeError("failed to write") from ResourceExhaustedError()


@pytest.mark.parametrize(
    ("module", "name", "full"),
    [(clips, "_save", _full_for_clips), (builders, "write", _full_for_tensorflow)],
)
def test_a_full_disk(
    cheap_flow, folder, tmp_path, capsys, monkeypatch, module, name, full
):
    with monkeypatch.context() as patch:
        patch.setattr(module, name, full)
        code, _, line = run(capsys, *command(folder, tmp_path / "out"))
    assert code == 2
    assert "is full" in line
    assert "run the same command again" in line
    assert run(capsys, *command(folder, tmp_path / "out"))[0] == 0


def test_a_disk_that_fills_and_gets_room(
    cheap_flow, folder, small_disk, tmp_path, capsys
):
    """It fills while clips are encoded and, with a little more, while packing."""
    kept = []
    for size in range(64, 4096, 64):
        out = small_disk(size) / "out"
        code, _, line = run(capsys, *command(folder, out))
        if not code:
            break
        assert (code, "is full" in line) == (2, True), line
        kept.append(len(list(out.glob(".clips/*.npz"))))
    assert kept == sorted(kept)
    assert kept[0] < kept[-1] == 6
    assert run(capsys, *command(folder, tmp_path / "out"))[0] == 0
    assert contents(out) == contents(tmp_path / "out")


def _end_worker(item):
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_worker_is_reported_with_its_clip():
    with (
        workers.Pool(2) as pool,
        pytest.raises(UsageError, match=r"killed .*: 7; finished clips are kept"),
    ):
        list(pool.map(_end_worker, [7], describe=str))


def test_the_command_is_light_for_workers():
    code = (
        "import sys, stpn_jax.prepare.command; "
        "print({'jax', 'av', 'cv2'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"


@pytest.mark.slow
def test_kill_9_and_the_same_command(folder, tmp_path):
    """With real TV-L1 in real worker processes, none of which stays behind."""
    pytest.importorskip("tensorflow")
    psutil = pytest.importorskip("psutil")
    out_dir = tmp_path / "out"

    def start():
        arguments = command(folder, out_dir, "--workers=2")
        return subprocess.Popen(
            [sys.executable, "-m", "stpn_jax.prepare", *arguments],
            stdout=subprocess.DEVNULL,
        )

    killed = start()
    while killed.poll() is None and not list(out_dir.glob(".clips/*.npz")):
        time.sleep(0.02)
    children = psutil.Process(killed.pid).children(recursive=True)
    killed.kill()
    killed.wait(60)
    assert children
    assert not psutil.wait_procs(children, timeout=20)[1]
    assert not (out_dir / records.DESCRIPTION).exists()
    assert start().wait(300) == 0
    undisturbed = tmp_path / "undisturbed"
    assert prepare.main(command(folder, undisturbed)) == 0
    assert contents(undisturbed) == contents(out_dir)
    dataset = records.open_dataset(out_dir)
    assert list(dataset.num_frames) == [3, 17, 20] * 2
    for index, name in enumerate(dataset.names):
        frames = [encoding.rgb(f, 95) for f in videos.decode(folder / name, SIZE)]
        assert dataset.frames(index, range(len(frames))) == frames
        x, y = dataset.flows(index, range(len(frames) - 1))
        assert {grey(image).shape for image in x + y} == {SIZE[::-1]}
