"""Reports what a weight file is and which network it fits, or converts its format.

    python -m stpn_jax.weights inspect FILE [--tensors]
    python -m stpn_jax.weights convert FILE TARGET

FILE is a path or `package:NAME`. The exit status of inspect is 0 if a backbone fits
completely (every tensor known, none missing, every shape right) and 2 otherwise.
TARGET ends in .npz or .safetensors; names, types and values stay as they are.
"""

if __name__ == "__main__":  # Before the imports: a library may not be installed.
    from stpn_jax import cli

    cli.run_module("stpn_jax.weights.__main__")

import functools
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from etils import epath
from flax import traverse_util

from stpn_jax.models.backbones import BACKBONES, Backbone
from stpn_jax.utils import command_line, errors, files
from stpn_jax.weights import assign, channels, formats, layouts, own, source

SIDE = 64


class Reading(NamedTuple):
    """A file read as one backbone."""

    backbone: str
    layout: str
    tree: dict[str, Any]  # Collections of variables; empty if not convertible.
    misfits: dict[str, list[str]]  # Names by kind; all empty if the file fits.
    stream: str = ""  # Of an exported network.


def main(
    arguments: Sequence[str] | None = None, prog: str = "python -m stpn_jax.weights"
) -> int:
    """Runs the command; returns the exit status."""
    return errors.guard(lambda: _run(arguments, prog))


def _run(arguments: Sequence[str] | None, prog: str) -> int:
    parser = command_line.Parser(prog=prog, description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("inspect", help="what a file is and fits")
    one.add_path("file", metavar="FILE", help="a path or package:NAME")
    names = "list all names, shapes and types"
    one.add_argument("--tensors", action="store_true", help=names)
    one = commands.add_parser("convert", help="to another format")
    one.add_path("file", metavar="FILE", help="a path or package:NAME")
    one.add_path("target", metavar="TARGET", help=".npz or .safetensors")
    options = parser.parse_args(arguments)
    if options.command == "convert":
        return convert(options.file, options.target)
    return inspect(options.file, options.tensors)


def inspect(weights: str, list_tensors: bool = False) -> int:
    """Prints a report; returns 0 if a backbone fits completely, else 2."""
    file = formats.read(source.locate(weights))
    print("\n".join(_identity(file)))
    if list_tensors:
        for name, tensor in file.tensors.items():
            print(f"  {name}  {assign.shape(tensor)}  {tensor.dtype}")
    readings = list(_readings(file))
    fitting = [one for one in readings if not any(one.misfits.values())]
    for reading in fitting:
        print("\n".join(_describe(reading, weights)))
    if not fitting:
        print("\n".join(_nearest(readings, file)))
    return 0 if fitting else 2


def convert(weights: str, target: str) -> int:
    """Writes a file's tensors in the format of the target's suffix; returns 0."""
    file = formats.read(source.locate(weights))
    content = formats.encode(target, file.tensors)
    path = epath.Path(target)
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write_whole(path, content)
    print(f"written {path}: {len(file.tensors)} tensors, {len(content):,} bytes")
    return 0


def _identity(file: formats.WeightFile) -> list[str]:
    tensors = file.tensors.values()
    types = Counter(str(tensor.dtype) for tensor in tensors)
    counts = ", ".join(f"{count} {name}" for name, count in types.items())
    total = sum(tensor.size for tensor in tensors)
    return [
        f"file: {file.path}",
        f"format: {file.format}, {file.size:,} bytes",
        f"sha256: {file.checksum}",
        f"tensors: {len(tensors)} ({counts}), {total:,} numbers",
    ]


def _readings(file: formats.WeightFile) -> Iterator[Reading]:
    """The file as each backbone whose layouts know most of its names."""
    if own.matches(file.tensors):
        for stream, tree in own.streams(file).items():
            for backbone in BACKBONES:
                misfits = _compare(backbone, tree)
                yield Reading(backbone, own.LAYOUT, tree, misfits, stream)
        return
    unknown = {
        (backbone, layout): layouts.unknown(layout, file.tensors)
        for backbone, known in layouts.LAYOUTS.items()
        for layout in known
    }
    fewest = min(map(len, unknown.values()))
    if fewest == len(file.tensors):
        return
    for (backbone, layout), names in unknown.items():
        if len(names) == fewest:
            try:
                tree = layouts.convert(layout, file.tensors, file.path)
                misfits = {"unknown": names} | _compare(backbone, tree)
            except errors.UsageError as error:
                tree, misfits = {}, {"unknown": names, "misshapen": [str(error)]}
            yield Reading(backbone, layout.name, tree, misfits)


def _compare(backbone: str, tree: dict[str, Any]) -> dict[str, list[str]]:
    count = _input_channels(backbone, tree) or channels.COLOURS
    return assign.compare(_template(BACKBONES[backbone], count, tree), tree)._asdict()


def _input_channels(backbone: str, tree: dict[str, Any]) -> int | None:
    params = tree.get("params", {})
    path = channels.first_kernel(backbone, params)
    flat = traverse_util.flatten_dict(params, sep="/")
    return flat[path].shape[2] if path else None


def _template(row: Backbone, count: int, tree: dict[str, Any]) -> dict[str, Any]:
    """Shapes of a backbone, and of the hidden layers and classifier that a file has."""
    image = jax.ShapeDtypeStruct((1, SIDE, SIDE, count), jnp.float32)
    template = dict(jax.eval_shape(row.module().init, jax.random.key(0), image))
    if "hidden" in tree:
        widths = (row.channels * row.grid**2, *row.hidden)
        template["hidden"] = {
            f"fc{6 + i}": _dense(*widths[i : i + 2]) for i in range(len(row.hidden))
        }
    if "classifier" in tree:
        width = row.hidden[-1] if row.hidden else row.channels
        template["classifier"] = _dense(width, _classes(tree["classifier"]))
    return template


def _dense(inputs: int, outputs: int) -> dict[str, Any]:
    struct = functools.partial(jax.ShapeDtypeStruct, dtype=jnp.float32)
    return {"kernel": struct((inputs, outputs)), "bias": struct((outputs,))}


def _classes(classifier: dict[str, Any]) -> int:
    return next(iter(classifier.values())).shape[-1]


def _describe(reading: Reading, weights: str) -> list[str]:
    """What a fitting file holds, and the config fields that take it."""
    row = BACKBONES[reading.backbone]
    count = _input_channels(reading.backbone, reading.tree)
    colour = count == channels.COLOURS
    normal = row.rgb if colour else row.flow
    order = normal.order.upper() if colour else "x and y of each flow in turn"
    stream = f", its {reading.stream} stream" if reading.stream else ""
    head = reading.tree.get("classifier")
    field = "weights" if colour else "flow_weights"
    return [
        f"fits: {reading.backbone} ({reading.layout}{stream}), completely",
        f"  input channels: {count} ({'RGB images' if colour else 'stacked flow'})",
        f"  hidden layers: {', '.join(reading.tree.get('hidden', ())) or 'none'}",
        f"  classes: {_classes(head) if head else 'no classifier'}",
        f"  preprocessing: {order}; mean {_numbers(normal.mean)}; "
        f"std {_numbers(normal.std)}",
        f"  config: --config.model.backbone={reading.backbone} "
        f"--config.model.{field}={weights}",
    ]


def _numbers(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:g}" for value in values)


def _nearest(readings: list[Reading], file: formats.WeightFile) -> list[str]:
    if not readings:
        names = assign.first(file.tensors)
        return [f"fits: nothing; no backbone has any of {names}"]
    nearest = min(readings, key=lambda one: sum(map(len, one.misfits.values())))
    kinds = [f"  {k}: {assign.first(n)}" for k, n in nearest.misfits.items() if n]
    return [f"fits: nothing; nearest is {nearest.backbone} ({nearest.layout})", *kinds]
