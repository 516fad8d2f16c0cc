"""The command line from frames and flow of other programs to records."""

import hashlib

import numpy as np
import pytest
from reference import extractors, videos

from stpn_jax.prepare import command
from stpn_jax.records import records

SIZE = "64x48"


def folder(root, layout):
    """Two classes of three clips."""
    for i in range(3):
        for j, label in enumerate(("run", "sit")):
            made = extractors.clip(12 + i, seed=2 * i + j)
            extractors.write(root / label / f"clip{i}", made, layout)
    return root


def run(capsys, source, out, *more):
    pytest.importorskip("tensorflow")
    code = command.main(
        [
            *("--dataset=folder", f"--size={SIZE}", "--workers=1", f"--data_dir={out}"),
            *(f"--frames={source}", f"--flow={source}", "--flow_bound=20"),
            *more,
        ]
    )
    return (code, *capsys.readouterr())


def digests(out):
    files = sorted((out / "folder").rglob("*.tfrecord*"))
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


@pytest.mark.slow
def test_every_convention_gives_the_same_records(tmp_path, capsys):
    layouts = {
        "DENSEFLOW": (),
        "MMACTION": (),
        "FOLDERS": (),
        "MIXED": (),
        "DENSE_FLOW": ("--flow_leads=into",),
        "PADDED": ("--flow_leads=from",),
    }
    found = []
    for name, more in layouts.items():
        source = folder(tmp_path / name, getattr(extractors, name))
        out = tmp_path / f"{name}_records"
        code, printed, _ = run(capsys, source, out, *more)
        assert code == 0
        assert "WARNING" not in printed
        found.append(digests(out))
    assert found[0]
    assert all(one == found[0] for one in found)
    dataset = records.open_dataset(out, (64, 48))
    assert dataset.meta.flow == {}
    assert dataset.meta.bound == 20
    assert dataset.names[0] == "run/clip0"
    np.testing.assert_array_equal(dataset.num_frames, [12, 13, 14] * 2)
    assert command.main(["--inspect", str(out)]) == 0
    assert "WARNING: the flow" not in capsys.readouterr().out


def test_the_same_command_again_and_others(tmp_path, capsys):
    source, out = folder(tmp_path / "s", extractors.PADDED), tmp_path / "out"
    code, _, error = run(capsys, source, out)
    assert (code, "--flow_leads=from or into is needed" in error) == (2, True)
    assert not out.exists()
    assert run(capsys, source, out, "--flow_leads=from")[0] == 0
    code, printed, _ = run(capsys, source, out, "--flow_leads=from")
    assert (code, "complete already" in printed) == (0, True)
    code, _, error = run(capsys, source, out, "--flow_leads=into")
    assert (code, "leads was 'from' and is 'into'" in error) == (2, True)


def test_clips_that_do_not_fit_are_left_out(tmp_path, capsys):
    source = folder(tmp_path / "s", extractors.MMACTION)
    (source / "run" / "clip1" / "flow_x_00003.jpg").unlink()
    (source / "run" / "notes.txt").write_text("x")
    code, printed, _ = run(capsys, source, tmp_path / "out")
    assert code == 0
    assert "run/clip1: image 3 is missing" in printed
    assert "run/notes.txt: it is not a folder of frames" in printed
    assert len(records.open_dataset(tmp_path / "out")) == 5


def test_other_flow_for_a_finished_data_dir_is_rejected(tmp_path, capsys):
    source, out = folder(tmp_path / "s", extractors.MMACTION), tmp_path / "out"
    assert run(capsys, source, out)[0] == 0
    other = folder(tmp_path / "other", extractors.MMACTION)
    code, _, error = run(capsys, source, out, f"--flow={other}")
    assert (code, f"and is {str(other)!r}" in error) == (2, True)
    code, _, error = run(capsys, source, tmp_path / "new", "--flow=/nowhere")
    assert (code, "--flow=/nowhere: there is no such folder" in error) == (2, True)


def test_classes_called_train_and_components_in_folders(tmp_path, capsys):
    for i, label in enumerate(("train", "test")):
        for j in range(2):
            made = extractors.clip(seed=2 * i + j)
            extractors.write(tmp_path / "s" / label / f"c{j}", made, extractors.FOLDERS)
    assert run(capsys, tmp_path / "s", tmp_path / "out")[0] == 0
    dataset = records.open_dataset(tmp_path / "out")
    assert dataset.meta.classes == ("test", "train")
    assert dataset.names == ("test/c0", "test/c1", "train/c0", "train/c1")


@pytest.mark.parametrize("flat", [False, True])
def test_official_lists_name_folders_too(tmp_path, capsys, flat):
    source, lists = tmp_path / "s", tmp_path / "lists"
    lists.mkdir()
    (lists / "classInd.txt").write_text("1 Run\n2 Sit\n")
    names = [f"{c}/v_{c}_g0{g}_c01" for c in ("Run", "Sit") for g in (1, 2)]
    for split in (1, 2, 3):
        for part, chosen in (("train", names[::2]), ("test", names[1::2])):
            text = "".join(f"{name}.avi 1\n" for name in chosen)
            (lists / f"{part}list{split:02d}.txt").write_text(text)
    for seed, name in enumerate(names):
        place = source / (name.split("/")[1] if flat else name)
        extractors.write(place, extractors.clip(seed=seed), extractors.MMACTION)
    extractors.write(source / ("x" if flat else "Run/x"), extractors.clip())
    more = ("--dataset=ucf101", f"--splits={lists}")
    code, printed, _ = run(capsys, source, tmp_path / "out", *more)
    assert code == 0
    assert "x: it is in no split list" in printed
    dataset = records.open_dataset(tmp_path / "out")
    assert list(dataset.names) == names
    assert list(dataset.sources) == ["Run_g01", "Run_g02", "Sit_g01", "Sit_g02"]
    assert dataset.membership[1] == ("test",) * 3


def test_videos_with_flow_of_another_program(tmp_path, capsys):
    pytest.importorskip("tensorflow")
    for i in range(2):
        made = extractors.clip(seed=i)
        videos.write(tmp_path / "v" / "run" / f"{i}.avi", made.frames)
        extractors.write_flow((tmp_path / "f" / f"{i}",) * 2, made)
    arguments = ["--dataset=folder", f"--videos={tmp_path / 'v'}", f"--size={SIZE}"]
    arguments += [f"--data_dir={tmp_path / 'out'}", f"--flow={tmp_path / 'f'}"]
    assert command.main(arguments) == 2
    assert "--flow_bound=PIXELS" in capsys.readouterr().err
    assert command.main([*arguments, "--flow_bound=20", "--workers=1"]) == 0
    assert records.open_dataset(tmp_path / "out").num_frames.tolist() == [9, 9]
