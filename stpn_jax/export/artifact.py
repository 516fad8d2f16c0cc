"""The artifact: program, weights, labels and preprocessing, readable by JAX alone.

Three files in one folder: `program.bin` (StableHLO by jax.export, any batch, lowered
for the processor, CUDA and TPU at once), `weights.npz` (its arrays by name) and
`artifact.json` (everything else). Without this package:

    import jax.export, numpy as np
    program = jax.export.deserialize(open("artifact/program.bin", "rb").read())
    weights = dict(np.load("artifact/weights.npz"))
    probabilities, attention = program.call(weights, rgb, flow, box, flip)
"""

import dataclasses
import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import jax
import jax.export
import numpy as np
from etils import epath
from jaxtyping import Bool, Float, UInt8

from stpn_jax.arrays import Array
from stpn_jax.errors import UsageError

FORMAT = 1
PLATFORMS = ("cpu", "cuda", "tpu")
PROGRAM, WEIGHTS, DESCRIPTION = "program.bin", "weights.npz", "artifact.json"

Program = Callable[..., tuple[Array, Array]]


@dataclasses.dataclass(frozen=True)
class Preprocessing:
    """From a video file to the program's arguments.

    Attributes:
        size: width and height to which frames are resized before the flow.
        input_size: side of the test crop and of the canvas that holds it, in pixels.
        frames: f, RGB frames a snippet; 0 for a flow-only network.
        paths: k, temporal paths a snippet; 0 for an RGB-only network.
        flow_length: L, consecutive flows of a path.
        tau: smallest and largest spacing of the paths' centres, in frames.
        bound: displacement in pixels that the largest flow code stands for.
        flow: parameters of TV-L1 by name; empty where the network was trained on flow
            that another program had computed.
        snippets: snippets a video, averaged.
        views: crops and mirror images a snippet, averaged.
        seed: draws tau.
    """

    size: tuple[int, int]
    input_size: int
    frames: int
    paths: int
    flow_length: int
    tau: tuple[int, int]
    bound: float
    flow: Mapping[str, Any]
    snippets: int
    views: Literal[1, 2, 10]
    seed: int


@dataclasses.dataclass(frozen=True)
class Artifact:
    """A loaded artifact, ready to run on the default device.

    Attributes:
        labels: class names in the order of the probabilities.
        preprocessing: how the arguments of `predict` are made.
        card: what the exporter wrote about the network, such as its scores.
        program: the compiled program, called with the weights first.
        weights: its arrays by name.
    """

    labels: tuple[str, ...]
    preprocessing: Preprocessing
    card: Mapping[str, Any]
    program: Program
    weights: Mapping[str, Array]

    def predict(
        self,
        rgb: UInt8[Array, "b f 3 y x"],
        flow: UInt8[Array, "b k c y x"],
        box: Float[Array, "b 4"],
        flip: Bool[Array, "b"],
    ) -> tuple[Float[Array, "b classes"], Float[Array, "b h w"]]:
        """Class probabilities and attention of snippets laid out as in arrays.Batch.

        The attention has the rows and columns of the last feature map.
        Each batch size is compiled once, so keep to one and pad.
        """
        return self.program(self.weights, rgb, flow, box, flip)


def write(
    directory: epath.PathLike,
    program: Program,
    variables: Any,
    labels: Sequence[str],
    preprocessing: Preprocessing,
    card: Mapping[str, Any] | None = None,
) -> list[epath.Path]:
    """Lowers a program for all platforms and writes it with its weights.

    Args:
        directory: made if absent; an artifact in it is replaced.
        program: (variables, rgb, flow, box, flip) -> (probabilities, attention), the
            arrays as in `Artifact.predict`, without side effects.
        variables: the program's pytree of arrays.
        labels: class names in the order of the probabilities.
        preprocessing: fixes the shapes that the program is lowered for.
        card: anything that JSON can hold.

    Returns:
        The files written.
    """
    weights, rebuild = _flatten(variables)

    def named(weights: Any, *arguments: Array) -> tuple[Array, Array]:
        return program(rebuild(weights), *arguments)

    exported = jax.export.export(jax.jit(named), platforms=PLATFORMS)(
        jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), weights),
        *_arguments(preprocessing),
    )
    contents = {PROGRAM: bytes(exported.serialize()), WEIGHTS: _to_npz(weights)}
    description = {
        "format": FORMAT,
        "jax": jax.__version__,
        "calling_convention": exported.calling_convention_version,
        "platforms": exported.platforms,
        "sha256": {name: _sha256(content) for name, content in contents.items()},
        "preprocessing": dataclasses.asdict(preprocessing),
        "card": dict(card or {}),
        "labels": list(labels),
    }
    contents[DESCRIPTION] = json.dumps(description, indent=2).encode()
    folder = epath.Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return [folder / name for name in contents]


def load(directory: epath.PathLike) -> Artifact:
    """Reads an artifact and checks that it is whole and runs here.

    Raises:
        UsageError: a file is missing, damaged or of another export; the artifact is
            from a JAX that this one does not understand; this device is not one it
            was lowered for.
    """
    folder = epath.Path(directory)
    description = _description(folder)
    try:
        return _load(folder, description)
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(
            f"{folder / DESCRIPTION}: damaged ({error!r}); export again"
        ) from error


def _load(folder: epath.Path, description: Mapping[str, Any]) -> Artifact:
    content = {
        name: _checked(folder / name, description) for name in (PROGRAM, WEIGHTS)
    }
    _check_platform(folder, description["platforms"])
    _check_convention(folder, description)
    exported = jax.export.deserialize(bytearray(content[PROGRAM]))
    labels, fields = tuple(description["labels"]), description["preprocessing"]
    tuples = {name: tuple(fields[name]) for name in ("size", "tau")}
    preprocessing = Preprocessing(**fields | tuples)
    _check_shapes(exported, labels, preprocessing)
    return Artifact(
        labels=labels,
        preprocessing=preprocessing,
        card=description["card"],
        program=jax.jit(exported.call),
        weights=jax.device_put(_from_npz(content[WEIGHTS])),
    )


def _arguments(preprocessing: Preprocessing) -> list[jax.ShapeDtypeStruct]:
    """Shapes of rgb, flow, box and flip with a symbolic batch."""
    (b,) = jax.export.symbolic_shape("b")
    side = (preprocessing.input_size, preprocessing.input_size)
    return [
        jax.ShapeDtypeStruct((b, preprocessing.frames, 3, *side), np.uint8),
        jax.ShapeDtypeStruct(
            (b, preprocessing.paths, 2 * preprocessing.flow_length, *side), np.uint8
        ),
        jax.ShapeDtypeStruct((b, 4), np.float32),
        jax.ShapeDtypeStruct((b,), np.bool_),
    ]


def _flatten(
    variables: Any,
) -> tuple[dict[str, np.ndarray], Callable[[Mapping[str, Array]], Any]]:
    """Arrays by name, and the function that puts them back into their tree."""
    leaves, structure = jax.tree_util.tree_flatten_with_path(variables)
    names = [
        jax.tree_util.keystr(path, simple=True, separator="/") for path, _ in leaves
    ]
    arrays = [np.asarray(leaf) for _, leaf in leaves]

    def rebuild(weights: Mapping[str, Array]) -> Any:
        return jax.tree_util.tree_unflatten(structure, [weights[n] for n in names])

    return dict(zip(names, arrays, strict=True)), rebuild


def _to_npz(weights: Mapping[str, np.ndarray]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, array in weights.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
    return buffer.getvalue()


def _from_npz(content: bytes) -> dict[str, np.ndarray]:
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        return dict(archive)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _description(folder: epath.Path) -> dict[str, Any]:
    path = folder / DESCRIPTION
    if not path.exists():
        raise UsageError(
            f"{folder}: no {DESCRIPTION} in it, so it is no exported network; make one "
            "with python -m stpn_jax.main --mode=export"
        )
    try:
        description = json.loads(path.read_text())
    except ValueError as error:
        raise UsageError(f"{path}: damaged ({error}); export again") from error
    found = description.get("format") if isinstance(description, dict) else None
    if found != FORMAT:
        raise UsageError(
            f"{path}: format {found}, expected {FORMAT}; export "
            "again with this version of stpn_jax"
        )
    return description


def _checked(path: epath.Path, description: Mapping[str, Any]) -> bytes:
    if not path.exists():
        raise UsageError(f"{path}: missing from the artifact; export again")
    content = path.read_bytes()
    expected, found = description["sha256"][path.name], _sha256(content)
    if found != expected:
        raise UsageError(
            f"{path}: damaged, or of another export ({len(content)} bytes of SHA-256 "
            f"{found[:12]}, expected {expected[:12]}); copy it again or export again"
        )
    return content


def _check_shapes(
    exported: jax.export.Exported, labels: Sequence[str], preprocessing: Preprocessing
) -> None:
    """Raises ValueError unless the description is of this program."""
    expected = [x.shape[1:] for x in _arguments(preprocessing)]
    found = [x.shape[1:] for x in exported.in_avals[-len(expected) :]]
    if found != expected:
        raise ValueError(f"the program takes {found}, the preprocessing {expected}")
    classes = exported.out_avals[0].shape[1]
    if classes != len(labels):
        raise ValueError(f"the program has {classes} classes, not {len(labels)}")


def _check_platform(folder: epath.Path, platforms: Sequence[str]) -> None:
    here = jax.export.default_export_platform()
    if here not in platforms:
        raise UsageError(
            f"{folder}: lowered for {', '.join(platforms)}, this device is {here}; set "
            "JAX_PLATFORMS=cpu to run on the processor"
        )


def _check_convention(folder: epath.Path, description: Mapping[str, Any]) -> None:
    oldest = jax.export.minimum_supported_calling_convention_version
    newest = jax.export.maximum_supported_calling_convention_version
    found = description["calling_convention"]
    if not oldest <= found <= newest:
        raise UsageError(
            f"{folder}: written by jax {description['jax']} with calling convention "
            f"{found}; jax {jax.__version__} reads {oldest} to {newest}; use the jax "
            "that wrote it, or export again with this one"
        )
