"""Says what a weight file is and which network it fits, or writes it in another format.

    python -m stpn_jax.weights inspect FILE [--tensors]
    python -m stpn_jax.weights convert FILE TARGET

FILE is a path or `package:NAME`. The exit status of inspect is 0 if a backbone fits
completely (every tensor known, none missing, every shape right) and 2 otherwise.
TARGET ends in .npz or .safetensors; names, types and values stay as they are.
"""

import argparse
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from etils import epath

from stpn_jax.models.backbones import BACKBONES, Backbone
from stpn_jax.utils import errors, files
from stpn_jax.weights import assign, channels, formats, own, source, tables

SIDE = 64


class Reading(NamedTuple):
    """A file read as one backbone.

    Attributes:
        backbone: row of BACKBONES.
        layout: of the table, or own.LAYOUT.
        stream: of an exported network, else empty.
        unknown: the file's tensors that the table does not know.
        tree: collections of variables.
        fault: why there are none.
    """

    backbone: str
    layout: str
    stream: str
    unknown: list[str]
    tree: dict[str, Any]
    fault: str = ""


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the report; returns the exit status."""
    return errors.guard(lambda: _run(argv))


def _run(argv: Sequence[str] | None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m stpn_jax.weights",
        description=__doc__.splitlines()[0],
    )
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("inspect", help="what a file is and what it fits")
    command.add_argument("file", metavar="FILE", help="a path or package:NAME")
    command.add_argument(
        "--tensors", action="store_true", help="list all names, shapes and types"
    )
    command = commands.add_parser("convert", help="the same tensors in another file")
    command.add_argument("file", metavar="FILE", help="a path or package:NAME")
    command.add_argument("target", metavar="TARGET", help=".npz or .safetensors")
    options = parser.parse_args(argv)
    if options.command == "convert":
        return convert(options.file, options.target)
    return inspect(options.file, options.tensors)


def inspect(weights: str, list_tensors: bool = False) -> int:
    """Reports on a weight file.

    Args:
        weights: path or `package:NAME`.
        list_tensors: also print every tensor.

    Returns:
        0 if a backbone fits completely, else 2.
    """
    file = formats.read(source.locate(weights))
    print("\n".join(_identity(file)))
    if list_tensors:
        for name, tensor in file.tensors.items():
            print(f"  {name}  {assign.shape(tensor)}  {tensor.dtype}")
    compared = [(reading, _compare(reading)) for reading in _readings(file)]
    fitting = [r for r, differences in compared if not (r.unknown or any(differences))]
    for reading in fitting:
        print("\n".join(_describe(reading, weights)))
    if not fitting:
        print(_nearest(compared, file))
    return 0 if fitting else 2


def convert(weights: str, target: str) -> int:
    """Writes the tensors of a weight file as another file; returns 0.

    Args:
        weights: path or `package:NAME`.
        target: its suffix tells the format; never half written.
    """
    file = formats.read(source.locate(weights))
    content = formats.encode(target, file.tensors)
    path = epath.Path(target)
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write_whole(path, content)
    print(f"written {path}: {len(file.tensors)} tensors, {len(content):,} bytes")
    return 0


def _identity(file: formats.WeightFile) -> list[str]:
    types = Counter(str(tensor.dtype) for tensor in file.tensors.values())
    return [
        f"file: {file.path}",
        f"format: {file.format}, {file.size:,} bytes",
        f"sha256: {file.checksum}",
        f"tensors: {len(file.tensors)} "
        f"({', '.join(f'{count} {name}' for name, count in types.items())}), "
        f"{sum(tensor.size for tensor in file.tensors.values()):,} numbers",
    ]


def _readings(file: formats.WeightFile) -> Iterator[Reading]:
    """The file as every backbone whose tables know most of its names."""
    if own.matches(file.tensors):
        for stream, tree in own.streams(file).items():
            for backbone in BACKBONES:
                yield Reading(backbone, own.LAYOUT, stream, [], tree)
        return
    unknown = {
        (backbone, table): assign.unknown(table, file.tensors)
        for backbone, known in tables.TABLES.items()
        for table in known
    }
    fewest = min(map(len, unknown.values()))
    if fewest == len(file.tensors):
        return
    for (backbone, table), names in unknown.items():
        if len(names) == fewest:
            reading = Reading(backbone, table.layout, "", names, {})
            try:
                tree = assign.convert(table, file.tensors, file.path)
                yield reading._replace(tree=tree)
            except errors.UsageError as error:
                yield reading._replace(fault=str(error))


def _compare(reading: Reading) -> assign.Differences:
    if reading.fault:
        return assign.Differences([], [], [reading.fault])
    row = BACKBONES[reading.backbone]
    count = _input_channels(reading) or channels.COLOURS
    return assign.compare(_template(row, count, reading.tree), reading.tree)


def _input_channels(reading: Reading) -> int | None:
    params = reading.tree.get("params", {})
    path = channels.first_kernel(reading.backbone, params)
    if path is None:
        return None
    for name in path:
        params = params[name]
    return params.shape[2]


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
    return {
        "kernel": jax.ShapeDtypeStruct((inputs, outputs), jnp.float32),
        "bias": jax.ShapeDtypeStruct((outputs,), jnp.float32),
    }


def _classes(classifier: dict[str, Any]) -> int:
    return next(iter(classifier.values())).shape[-1]


def _describe(reading: Reading, weights: str) -> list[str]:
    """What a fitting backbone makes of the file, and the config fields that take it."""
    row, count = BACKBONES[reading.backbone], _input_channels(reading)
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


def _nearest(
    compared: list[tuple[Reading, assign.Differences]], file: formats.WeightFile
) -> str:
    if not compared:
        return f"fits: nothing; no backbone has any of {assign.some(file.tensors)}"
    reading, differences = min(
        compared, key=lambda pair: len(pair[0].unknown) + sum(map(len, pair[1]))
    )
    lines = [f"fits: nothing; nearest is {reading.backbone} ({reading.layout})"]
    if reading.unknown:
        lines.append(f"  unknown: {assign.some(reading.unknown)}")
    for kind, names in differences._asdict().items():
        if names:
            lines.append(f"  {kind}: {assign.some(names)}")
    return "\n".join(lines)


if __name__ == "__main__":
    errors.run(lambda: _run(None))
