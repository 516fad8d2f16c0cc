"""What the code of commit 772b4ad left on disk still opens and gives the same.

`fixtures/make.py` says what each file of `fixtures/v1` is and how it was made.
"""

import io
import json
import pathlib
import shutil
import zipfile

import jax
import numpy as np
import pytest
from etils import epath
from PIL import Image

from configs import demo, folder, hmdb51, study, ucf101
from stpn_jax import config as configs
from stpn_jax import config_facts, config_flag, predict
from stpn_jax.experiment import initialize, setup, train
from stpn_jax.export import artifact
from stpn_jax.models import backbones
from stpn_jax.records import records
from stpn_jax.weights import __main__ as weights_command
from stpn_jax.weights import own, pretrained
from studies import __main__ as studies_command
from studies import result_store, runs
from studies.tables import STUDIES

ROOT = pathlib.Path(__file__).resolve().parents[1]
V1 = ROOT / "tests" / "fixtures" / "v1"
CONFIGS = {
    "demo": demo,
    "folder": folder,
    "hmdb51": hmdb51,
    "ucf101": ucf101,
    "study": study,
}
# Of the largest number of an array: batch statistics are now summed in another order.
TOLERANCE = 1e-4
PARTS = ("hmdb51", "ucf101", "made", "replicas")

# Earlier names of fields are read, with a warning.
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")


# What the tests need of the package: where something moves, it is renamed here alone.


def load_config(file, flags):
    return config_flag.load(str(file), flags)


def config_of_variant(name, variant):
    return configs.from_config_dict(CONFIGS[name].get_config(variant))


def configs_of_study(name):
    """Column of runs.json -> config of its run."""
    return {
        f"{run.table}: {column}": run.config
        for run in runs.plan_study(STUDIES[name], epath.Path("runs"), ())
        for column in run.columns.values()
    }


def digest(config):
    """What runs.json has of a config."""
    return config_facts.digest(config)[: result_store._DIGITS]


def open_records(data_dir):
    assert records.verify(data_dir) == 9
    return records.open_dataset(data_dir, (32, 32))


def resume(config, workdir):
    """As main does, without the page of pictures."""
    train.train(setup.open_experiment(config, workdir, ""), report=False)


def flat_variables(path):
    """Of what --init_from takes: a stage's folder, its checkpoints, or a file."""
    return own.flat(initialize.restore_folder(path))


def load_backbone(file, backbone, channels):
    return own.flat(pretrained.load(backbone, str(file), channels).variables)


def write_tables(part, results, report):
    studies_command.main(
        [part, "--tables", f"--results={results}", f"--report={report}"]
    )


# The tests.


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder of one's own with data/, workdir/, artifact/ and the config."""
    place = tmp_path_factory.mktemp("v1")
    for name in ("records", "workdir", "artifact"):
        with zipfile.ZipFile(V1 / f"{name}.zip") as archive:
            archive.extractall(place)
    shutil.copy(V1 / "mine.py", place)
    return place


@pytest.fixture(scope="module")
def config(place):
    """That of the workdir; its file makes the backbone known."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        file, *flags = json.loads((V1 / "flags.json").read_text())
        flags.append("--config.run.validate_every=0")  # It changes no parameters.
        return load_config(file.removeprefix("--config="), flags)


def kept(name):
    with np.load(V1 / name) as arrays:
        return dict(arrays)


def assert_close(found, expected, share):
    """Floats within a share of each tensor's largest number, all else equal.

    A bias before a softmax over locations has no gradient but rounding: below 1e-4,
    the largest number counts as that.
    """
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        assert found[name].dtype == array.dtype, name
        if array.dtype.kind == "f":
            near = share * max(np.abs(array).max(), 1e-4)
            np.testing.assert_allclose(found[name], array, 0, near, err_msg=name)
        else:
            np.testing.assert_array_equal(found[name], array, name)


def test_records_open(place):
    dataset = open_records(place / "data")
    assert dataset.meta.classes == ("a_red", "b_up", "d_red_up_blue_down")
    assert set(dataset.groups) == {"a_appearance", "b_motion", "d_conjunction"}
    assert [name.split("/")[0] for name in dataset.names] == 3 * ["test"] + 6 * [
        "train"
    ]
    assert dataset.num_frames.tolist() == 9 * [12]
    (frame,) = dataset.frames(4, [11])
    assert Image.open(io.BytesIO(frame)).size == (32, 32)
    for flow in dataset.flows(4, [0, 10]):
        codes = np.stack([Image.open(io.BytesIO(one)) for one in flow])
        assert codes.shape == (2, 32, 32) and codes.dtype == np.uint8
    description = json.loads((place / "workdir" / "dataset.json").read_text())
    assert dataset.digest() == description["videos"]


@pytest.fixture(autouse=True)
def without_its_backbone():
    """mine.py adds one, which tests of all backbones may not find."""
    yield
    backbones.BACKBONES.pop("mine", None)


@pytest.fixture
def quick_compiler():
    """A third of the time; it moves parameters by 3e-6 of a tensor's largest number."""
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)


@pytest.mark.slow
def test_stopped_workdir_ends_as_it_did(
    place, config, monkeypatch, capsys, quick_compiler
):
    monkeypatch.chdir(place)
    shutil.copytree("workdir", "resumed")
    resume(config, "resumed")
    printed = capsys.readouterr().out
    assert "[spatial] finished before" in printed
    assert "[temporal] 10/10" in printed and "[temporal] 2/10" not in printed
    for stage in ("spatial", "temporal", "pyramid"):
        expected = kept(f"final/{stage}.npz")
        assert_close(flat_variables(f"resumed/{stage}"), expected, TOLERANCE)
    with np.load("resumed/scores.npz") as scores:
        assert_close(dict(scores), kept("final/scores.npz"), TOLERANCE)
    found, expected = (
        json.loads(path.read_text())
        for path in (place / "resumed" / "results.json", V1 / "final" / "results.json")
    )
    assert found == expected
    lines = (place / "resumed" / "temporal" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [2, 4, 6, 8, 10]


def test_another_config_is_still_another_run(place, config, monkeypatch):
    monkeypatch.chdir(place)
    flags = json.loads((V1 / "flags.json").read_text())[1:]
    other = load_config("mine.py", [*flags, "--config.stages.temporal.clip=5.0"])
    with pytest.raises(Exception, match=r"was 4\.0 and is 5\.0"):
        resume(other, "workdir")


def test_artifact_predicts_as_it_did(place):
    loaded, expected = artifact.load(place / "artifact"), kept("answers.npz")
    given = {n: expected.pop(f"given/{n}") for n in ("rgb", "flow", "box", "flip")}
    probabilities, attention, features = loaded.predict(**given)
    found = {"probabilities": probabilities, "attention": attention}
    found |= {f"features/{name}": array for name, array in features.items()}
    assert_close(found, expected, 1e-6)


def test_videos_get_the_same_predictions(place, monkeypatch, quick_compiler):
    monkeypatch.chdir(place)
    shutil.copytree(V1 / "videos", "videos")
    assert predict.main(["--model=artifact", "videos", "--out=predictions"]) == 0
    names = sorted(path.name for path in (V1 / "predictions").iterdir())
    assert sorted(path.name for path in (place / "predictions").iterdir()) == names
    for name in names:
        found, expected = (
            json.loads((where / "predictions" / name).read_text())
            for where in (place, V1)
        )
        del found["seconds"], expected["seconds"]
        assert_same_prediction(found, expected)


def assert_same_prediction(found, expected):
    """Probabilities within 0.03, all else equal.

    Where TV-L1 stops depends on rounding: another compiler moved them by 0.011.
    """
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            assert_same_prediction(found[name], value)
    elif isinstance(expected, list):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_same_prediction(one, other)
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, abs=0.03)
    else:
        assert found == expected


def test_weights_open(place, config, tmp_path):
    expected = kept("final/pyramid.npz")
    assert_close(flat_variables(V1 / "weights.npz"), expected, 0)
    for stream, channels in (("spatial", 3), ("temporal", 4)):
        taken = load_backbone(V1 / "weights.npz", "mine", channels)
        assert_close(
            taken,
            {
                name.replace(f"/{stream}/backbone/", "/"): array
                for name, array in expected.items()
                if f"/{stream}/backbone/" in name
            },
            0,
        )
    other = tmp_path / "weights.safetensors"
    assert weights_command.main(["convert", str(V1 / "weights.npz"), str(other)]) == 0
    assert (
        other.read_bytes()
        == (place / "artifact" / "variables.safetensors").read_bytes()
    )


@pytest.mark.parametrize("folder", ["spatial", "spatial/checkpoints"])
def test_checkpoint_folders_are_a_start(place, folder):
    found = flat_variables(place / "workdir" / folder)
    assert_close(found, kept("final/spatial.npz"), 0)


def test_results_give_the_same_tables(tmp_path, capsys):
    shutil.copytree(V1 / "results", tmp_path / "results")
    report = tmp_path / "results" / "RESULTS.md"
    expected = report.read_text()
    report.unlink()
    for part in ("made", "hmdb51"):
        write_tables(part, tmp_path / "results", report)
    assert report.read_text() == expected


@pytest.mark.slow
@pytest.mark.parametrize("part", (*PARTS, "operator", "products"))
def test_shipped_results_give_the_shipped_tables(part, tmp_path, capsys):
    shutil.copy(ROOT / "RESULTS.md", tmp_path)
    shutil.copytree(ROOT / "results", tmp_path / "results")
    write_tables(part, tmp_path / "results", tmp_path / "RESULTS.md")
    for name in ("RESULTS.md", "results/TABLES.md"):
        assert (tmp_path / name).read_bytes() == (ROOT / name).read_bytes()


@pytest.mark.parametrize("name", CONFIGS)
def test_configs_have_the_same_digests(name):
    expected = json.loads((V1 / "digests.json").read_text())["configs"][name]
    found = {variant: digest(config_of_variant(name, variant)) for variant in expected}
    assert found == expected


@pytest.mark.parametrize("part", PARTS)
def test_runs_of_the_study_have_the_same_digests(part, monkeypatch):
    """Else another seed would not get into the tables that are there."""
    monkeypatch.chdir(ROOT)
    expected = json.loads((V1 / "digests.json").read_text())["runs"][part]
    found = {column: digest(one) for column, one in configs_of_study(part).items()}
    assert found == expected
    shipped = json.loads((ROOT / "results" / part / "runs.json").read_text())["runs"]
    assert {name: note["config"] for name, note in shipped.items()} == {
        name: expected[name] for name in shipped
    }


def test_fields_by_their_old_names_have_the_same_digests(monkeypatch):
    monkeypatch.chdir(ROOT)
    for one in json.loads((V1 / "digests.json").read_text())["flags"]:
        file = V1 / one["config"] if (V1 / one["config"]).exists() else one["config"]
        assert digest(load_config(file, one["flags"])) == one["digest"], one
