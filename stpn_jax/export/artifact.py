"""The artifact: programs, weights, labels and preprocessing, readable by JAX alone.

One folder: a file for each program (StableHLO by jax.export, any batch, lowered for the
processor, CUDA and TPU at once), `weights.npz` (their arrays by name) and
`artifact.json` (everything else). Two kinds of program, each with float32 and with
bfloat16 activations, over the same float32 weights:

    snippets  (weights, rgb, flow, box, flip) -> probabilities, attention, features
    frames    (weights, frames)               -> the same; TV-L1 is part of it

`rgb`, `flow`, `box` and `flip` are laid out as in arrays.Batch. `frames` are as many
consecutive frames as one snippet spans with the largest spacing of its paths, of which
the program takes the central crop. Without this package:

    import jax.export, numpy as np
    program = jax.export.deserialize(open("snippets_float32.bin", "rb").read())
    weights = dict(np.load("weights.npz"))
    probabilities, attention, features = program.call(weights, rgb, flow, box, flip)
"""

import dataclasses
import hashlib
import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import jax
import jax.export
import numpy as np
from etils import epath
from jaxtyping import Bool, Float, UInt8

from stpn_jax.arrays import Array
from stpn_jax.utils import manifest
from stpn_jax.utils.errors import UsageError

FORMAT = 2
PLATFORMS = ("cpu", "cuda", "tpu")
KINDS = ("snippets", "frames")
DTYPES = ("float32", "bfloat16")
WEIGHTS, DESCRIPTION, CARD = "weights.npz", "artifact.json", "model_card.md"

Features = Mapping[str, Array]
Program = Callable[..., tuple[Array, Array, Features]]
"""Returns probabilities [b classes], attention [b h w] and features {name: [b d]}."""


@dataclasses.dataclass(frozen=True)
class Preprocessing:
    """From a video to the programs' arguments.

    Attributes:
        size: width and height to which frames are resized before the flow.
        input_size: side of the test crop and of the canvas that holds it, in pixels.
        frames: f, RGB frames a snippet; 0 for a flow-only network.
        paths: k, temporal paths a snippet; 0 for an RGB-only network.
        flow_length: L, consecutive flows of a path.
        tau: smallest and largest spacing of the paths' centres, in frames.
        bound: displacement in pixels that the largest flow code stands for.
        flow: parameters of TV-L1 by name; empty where another program computed the
            flow of the training videos.
        snippets: snippets a video, averaged.
        crops: crops, mirrored ones included, of a snippet, averaged.
        seed: of the random tau.
        span: t, consecutive frames that the program from frames takes.
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
    crops: Literal[1, 2, 10]
    seed: int
    span: int


def facts(settings: Preprocessing) -> dict[str, Any]:
    """For artifact.json, where `crops` has its first name, `views`."""
    fields = dataclasses.asdict(settings)
    return fields | {"views": fields.pop("crops")}


def program_file(kind: str, dtype: str) -> str:
    """Name of a program's file."""
    return f"{kind}_{dtype}.bin"


def arguments(settings: Preprocessing) -> dict[str, dict[str, jax.ShapeDtypeStruct]]:
    """Kind of program -> its arguments after the weights, with a symbolic batch."""
    (b,) = jax.export.symbolic_shape("b")
    side = (settings.input_size, settings.input_size)
    c = 2 * settings.flow_length
    width, height = settings.size
    frames = (b, settings.span, 3, height, width)
    return {
        "snippets": {
            "rgb": jax.ShapeDtypeStruct((b, settings.frames, 3, *side), np.uint8),
            "flow": jax.ShapeDtypeStruct((b, settings.paths, c, *side), np.uint8),
            "box": jax.ShapeDtypeStruct((b, 4), np.float32),
            "flip": jax.ShapeDtypeStruct((b,), np.bool_),
        },
        "frames": {"frames": jax.ShapeDtypeStruct(frames, np.uint8)},
    }


_MEANING = {
    "rgb": "RGB frames, channels first, cropped to input_size",
    "flow": "codes of x and y in turn, 128 for rest, see bound; cropped as rgb",
    "box": "y0 x0 y1 x1 of the crop in pixels: 0 0 input_size input_size",
    "flip": "whether to mirror left to right",
    "frames": "consecutive RGB frames, channels first, resized to size",
}


def describe(kind: str, settings: Preprocessing) -> dict[str, Any]:
    """The arguments of a kind of program, for artifact.json."""
    return {
        name: {
            "dtype": str(one.dtype),
            "shape": ["b", *one.shape[1:]],
            "meaning": _MEANING[name],
        }
        for name, one in arguments(settings)[kind].items()
    }


@dataclasses.dataclass(frozen=True)
class Artifact:
    """A loaded artifact, ready to run on the default device.

    Attributes:
        labels: class names in the order of the probabilities.
        preprocessing: from a video to the arguments of `predict`.
        card: the model card, such as the network's scores.
        programs: compiled at their first call, by kind; called with the weights first.
        weights: their arrays by name.
    """

    labels: tuple[str, ...]
    preprocessing: Preprocessing
    card: Mapping[str, Any]
    programs: Mapping[str, Program]
    weights: Mapping[str, Array]

    def predict(
        self,
        rgb: UInt8[Array, "b f 3 y x"],
        flow: UInt8[Array, "b k c y x"],
        box: Float[Array, "b 4"],
        flip: Bool[Array, "b"],
    ) -> tuple[Float[Array, "b classes"], Float[Array, "b h w"], Features]:
        """Probabilities, attention, features of snippets laid out as in arrays.Batch.

        The attention has the height and width of the backbone's last feature map. Each
        batch size is compiled once, so keep to one and pad.
        """
        return self.programs["snippets"](self.weights, rgb, flow, box, flip)

    def predict_frames(
        self, frames: UInt8[Array, "b t 3 y x"]
    ) -> tuple[Float[Array, "b classes"], Float[Array, "b h w"], Features]:
        """The same of `preprocessing.span` consecutive frames, flow included.

        Raises:
            UsageError: the artifact has no such program.
        """
        if "frames" not in self.programs:
            raise UsageError("this network was exported without a program from frames")
        return self.programs["frames"](self.weights, frames)


def load(directory: epath.PathLike, dtype: str = "float32") -> Artifact:
    """Reads an artifact with activations of a dtype; checks that it is whole and runs.

    Raises:
        UsageError: a file is missing, damaged or of another export; the artifact is
            from an incompatible JAX, was not lowered for this device, or has no
            program of that dtype.
    """
    folder = epath.Path(directory)
    description = _description(folder)
    try:
        return _load(folder, description, dtype)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        reason = " ".join(repr(error).split())
        raise UsageError(
            f"{folder / DESCRIPTION}: damaged ({reason}); export again"
        ) from error


def _load(folder: epath.Path, description: Mapping[str, Any], dtype: str) -> Artifact:
    known = description["programs"]
    if dtype not in known.get("snippets", ()):
        found = ", ".join(known.get("snippets", ())) or "none"
        raise UsageError(f"{folder}: has no {dtype} program, but {found}")
    kinds = [kind for kind in KINDS if dtype in known.get(kind, ())]
    names = {kind: program_file(kind, dtype) for kind in kinds}
    content = {
        name: _read_checked(folder / name, description["files"][name])
        for name in (*names.values(), WEIGHTS)
    }
    _check_runs_here(folder, description)
    labels = tuple(description["labels"])
    fields = dict(description["preprocessing"])
    tuples = {name: tuple(fields[name]) for name in ("size", "tau")}
    fields["crops"] = fields.pop("views")
    preprocessing = Preprocessing(**{**fields, **tuples})
    programs = {}
    for kind, name in names.items():
        exported = _deserialise(folder / name, content[name], description)
        _check_shapes(exported, kind, labels, preprocessing)
        programs[kind] = jax.jit(exported.call)
    with np.load(io.BytesIO(content[WEIGHTS]), allow_pickle=False) as archive:
        weights = jax.device_put(dict(archive))
    return Artifact(labels, preprocessing, description["card"], programs, weights)


def _deserialise(
    path: epath.Path, content: bytes, description: Mapping[str, Any]
) -> jax.export.Exported:
    try:
        return jax.export.deserialize(bytearray(content))
    except Exception as error:  # Of flatbuffers or of JAX, whatever they meet.
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UsageError(
            f"{path}: jax {jax.__version__} cannot read this program of jax "
            f"{description['jax']} ({reason}); use the jax that wrote it, or export "
            "again with this one"
        ) from error


def _description(folder: epath.Path) -> dict[str, Any]:
    path = folder / DESCRIPTION
    if not path.exists():
        raise UsageError(
            f"{folder}: no {path.name} in it, so it is no exported network; make one "
            "with stpn export"
        )
    description = manifest.read(path, "export again")
    found = description.get("format")
    if found != FORMAT:
        raise UsageError(
            f"{path}: format {found}, expected {FORMAT}; export "
            "again with this version of stpn_jax"
        )
    return description


def _read_checked(path: epath.Path, expected: Mapping[str, Any]) -> bytes:
    if not path.exists():
        raise UsageError(f"{path}: missing from the artifact; export again")
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != expected["sha256"]:
        raise UsageError(
            f"{path}: damaged, or of another export ({len(content)} bytes of SHA-256 "
            f"{found[:12]}, expected {expected['bytes']} of "
            f"{expected['sha256'][:12]}); copy it again or export again"
        )
    return content


def _check_shapes(
    exported: jax.export.Exported,
    kind: str,
    labels: Sequence[str],
    preprocessing: Preprocessing,
) -> None:
    """Raises ValueError unless the description is of this program."""
    expected = [x.shape[1:] for x in arguments(preprocessing)[kind].values()]
    found = [x.shape[1:] for x in exported.in_avals[-len(expected) :]]
    if found != expected:
        raise ValueError(f"the program takes {found}, the preprocessing {expected}")
    classes = exported.out_avals[0].shape[1]
    if classes != len(labels):
        raise ValueError(f"the program has {classes} classes, not {len(labels)}")


def _check_runs_here(folder: epath.Path, description: Mapping[str, Any]) -> None:
    here, platforms = jax.export.default_export_platform(), description["platforms"]
    if here not in platforms:
        raise UsageError(
            f"{folder}: lowered for {', '.join(platforms)}, this device is {here}; set "
            "JAX_PLATFORMS=cpu to run on the processor"
        )
    oldest = jax.export.minimum_supported_calling_convention_version
    newest = jax.export.maximum_supported_calling_convention_version
    found = description["calling_convention"]
    if not oldest <= found <= newest:
        raise UsageError(
            f"{folder}: written by jax {description['jax']} with calling convention "
            f"{found}; jax {jax.__version__} reads {oldest} to {newest}; use the jax "
            "that wrote it, or export again with this one"
        )
