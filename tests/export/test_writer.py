"""What an export leaves in its folder: programs for all platforms, sums, no drafts."""

import dataclasses
import hashlib
import json

import jax
import jax.export
import numpy as np
import pytest
from export.test_artifact import (
    LABELS,
    PREPROCESSING,
    PROGRAMS,
    toy_program,
    toy_variables,
)

from stpn_jax.export import writer

NAMES = [
    "snippets_float32.bin",
    "snippets_bfloat16.bin",
    "frames_float32.bin",
    "weights.npz",
    "notes.txt",
    "model_card.md",
    "artifact.json",
]


def write(folder, programs=PROGRAMS):
    return writer.write(
        folder,
        programs,
        toy_variables(),
        LABELS,
        PREPROCESSING,
        {"accuracy": {"pyramid": 0.5}},
        {"notes.txt": b"more"},
    )


def test_names_the_files_it_wrote_and_leaves_no_others(tmp_path):
    for _ in range(2):
        assert [path.name for path in write(tmp_path)] == NAMES
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted(NAMES)


def test_has_a_checksum_of_every_file(tmp_path):
    write(tmp_path)
    description = json.loads((tmp_path / "artifact.json").read_text())
    assert set(description["files"]) == {*NAMES} - {"artifact.json"}
    for name, expected in description["files"].items():
        content = (tmp_path / name).read_bytes()
        assert expected["bytes"] == len(content)
        assert expected["sha256"] == hashlib.sha256(content).hexdigest()


def test_describes_the_arguments_of_programs(tmp_path):
    write(tmp_path)
    description = json.loads((tmp_path / "artifact.json").read_text())
    assert description["programs"]["snippets"] == ["float32", "bfloat16"]
    flow = description["arguments"]["snippets"]["flow"]
    assert (flow["dtype"], flow["shape"]) == ("uint8", ["b", 3, 4, 16, 16])
    frames = description["arguments"]["frames"]["frames"]
    assert frames["shape"] == ["b", 5, 3, 20, 24]


@pytest.mark.parametrize("name", NAMES[:3])
def test_is_lowered_for_every_platform(tmp_path, name):
    write(tmp_path)
    content = bytearray((tmp_path / name).read_bytes())
    assert jax.export.deserialize(content).platforms == ("cpu", "cuda", "tpu")


def test_variables_go_back_into_their_tree():
    flat, rebuild = writer.flatten(toy_variables())
    assert set(flat) == {"params/mix", "bias"}
    for one, other in zip(
        *map(jax.tree.leaves, (rebuild(flat), toy_variables())), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_an_export_that_fails_leaves_the_old_artifact_whole(tmp_path, monkeypatch):
    write(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    full = type(tmp_path).write_bytes

    def fails(path, content):
        if path.name == ".weights.npz.draft":
            raise OSError(28, "No space left on device", str(path))
        return full(path, content)

    monkeypatch.setattr(type(writer.epath.Path(tmp_path)), "write_bytes", fails)
    with pytest.raises(OSError, match="No space"):
        write(tmp_path, {"snippets": {"float32": toy_program}})
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    monkeypatch.setattr(type(writer.epath.Path(tmp_path)), "write_bytes", full_disk)
    with pytest.raises(OSError, match="No space"):
        write(tmp_path / "new")
    assert not (tmp_path / "new").exists()


def full_disk(path, content):
    raise OSError(28, "No space left on device")


def test_every_entry_has_its_heading_and_its_values():
    page = writer.model_card(
        LABELS,
        dataclasses.replace(PREPROCESSING, size=(340, 256)),
        {
            "accuracy": {"pyramid": {"top1": 0.123456, "top5": 1}},
            "checkpoint": {"step": 3, "validation": None},
            "licence": "as the videos",
            "model": {"tau": (1, 10)},
        },
    )
    assert page.startswith(
        "# Model card\n\nClassifies videos into 3 classes: frames of 340"
    )
    assert "\n## Accuracy\n\n- pyramid\n  - top1: 12.3 %\n  - top5: 100.0 %\n" in page
    assert "\n## Checkpoint\n\n- step: 3\n\n" in page
    assert f"\nClasses: {', '.join(LABELS)}\n" in page
    assert "\n## Licence\n\nas the videos\n" in page
    assert page.endswith("- tau: 1, 10\n")
