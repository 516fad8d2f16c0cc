"""Writes an artifact: programs lowered for all platforms, checksums, a model card."""

import functools
import hashlib
import io
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.export
import numpy as np
from etils import epath

from stpn_jax.arrays import Array
from stpn_jax.export import artifact
from stpn_jax.export.artifact import Preprocessing, Program

_SHARES = ("mean_class_accuracy", "top1", "top5", "validation")
"""Entries of a card from 0 to 1, which people read in percent."""


def write(
    directory: epath.PathLike,
    programs: Mapping[str, Mapping[str, Program]],
    variables: Any,
    labels: Sequence[str],
    preprocessing: Preprocessing,
    card: Mapping[str, Any] | None = None,
    extras: Mapping[str, bytes] | None = None,
) -> list[epath.Path]:
    """Lowers programs for all platforms and writes them with their weights.

    Programs by kind (artifact.KINDS) and dtype are called with the variables, a pytree
    of arrays, first, and have no side effects. The preprocessing fixes their shapes.
    The card is what JSON can hold; extras are contents of further files by name, which
    are not loaded. An artifact in the directory is replaced.

    Returns:
        The files written.
    """
    weights, rebuild = flatten(variables)
    shapes = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), weights)
    expected = artifact.arguments(preprocessing)
    exported = {
        artifact.program_file(kind, dtype): _lower(one, rebuild, shapes, expected[kind])
        for kind, dtypes in programs.items()
        for dtype, one in dtypes.items()
    }
    contents = {name: bytes(one.serialize()) for name, one in exported.items()}
    buffer = io.BytesIO()
    np.savez(buffer, **weights)  # type: ignore[arg-type]
    contents |= {artifact.WEIGHTS: buffer.getvalue()} | dict(extras or {})
    contents[artifact.CARD] = model_card(labels, preprocessing, card or {}).encode()
    first = next(iter(exported.values()))
    description = {
        "format": artifact.FORMAT,
        "jax": jax.__version__,
        "calling_convention": first.calling_convention_version,
        "platforms": first.platforms,
        "programs": {kind: list(dtypes) for kind, dtypes in programs.items()},
        "arguments": {
            kind: artifact.describe(kind, preprocessing) for kind in programs
        },
        "files": {
            name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for name, content in contents.items()
        },
        "preprocessing": artifact.facts(preprocessing),
        "card": dict(card or {}),
        "labels": list(labels),
    }
    # Last: an interrupted export leaves files that differ from their checksums.
    contents[artifact.DESCRIPTION] = json.dumps(description, indent=2).encode()
    return _write(epath.Path(directory), contents)


def _write(folder: epath.Path, contents: Mapping[str, bytes]) -> list[epath.Path]:
    is_new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    drafts = [folder / f".{name}.draft" for name in contents]
    try:
        for draft, content in zip(drafts, contents.values(), strict=True):
            draft.write_bytes(content)
        for draft, name in zip(drafts, contents, strict=True):
            draft.replace(folder / name)
    except BaseException:
        for draft in drafts:
            draft.unlink(missing_ok=True)
        if is_new:
            folder.rmtree()
        raise
    return [folder / name for name in contents]


def _lower(
    program: Program,
    rebuild: Callable[[Mapping[str, Array]], Any],
    shapes: Mapping[str, jax.ShapeDtypeStruct],
    arguments: Mapping[str, jax.ShapeDtypeStruct],
) -> jax.export.Exported:
    def named(
        weights: Mapping[str, Array], *given: Array
    ) -> tuple[Array, Array, artifact.Features]:
        return program(rebuild(weights), *given)

    lower = jax.export.export(jax.jit(named), platforms=artifact.PLATFORMS)
    return lower(shapes, *arguments.values())


def flatten(
    variables: Any,
) -> tuple[dict[str, np.ndarray], Callable[[Mapping[str, Array]], Any]]:
    """Arrays by name, and the inverse function."""
    leaves, structure = jax.tree_util.tree_flatten_with_path(variables)
    name = functools.partial(jax.tree_util.keystr, simple=True, separator="/")
    arrays = {name(path): np.asarray(leaf) for path, leaf in leaves}

    def rebuild(weights: Mapping[str, Array]) -> Any:
        return jax.tree_util.tree_unflatten(structure, [weights[n] for n in arrays])

    return arrays, rebuild


def model_card(
    labels: Sequence[str], preprocessing: Preprocessing, card: Mapping[str, Any]
) -> str:
    """The model card in Markdown, with a heading for each entry."""
    width, height = preprocessing.size
    lines = [
        "# Model card",
        "",
        f"Classifies videos into {len(labels)} classes: frames of {width}x{height}, "
        f"crops of {preprocessing.input_size} pixels, {preprocessing.paths} paths of "
        f"{preprocessing.flow_length} flows. `artifact.json` holds the same, and the "
        "sizes and checksums of all files.",
        "",
        f"Classes: {', '.join(labels)}",
    ]
    for name, value in card.items():
        lines += ["", f"## {name.replace('_', ' ').capitalize()}", "", *_items(value)]
    return "\n".join(lines) + "\n"


def _items(value: Any, depth: int = 0) -> list[str]:
    """Nested lists of names and values."""
    if not isinstance(value, Mapping):
        return [str(value)]
    lines: list[str] = []
    for name, inner in value.items():
        start = f"{'  ' * depth}- {name}"
        if isinstance(inner, Mapping):
            lines += [start, *_items(inner, depth + 1)]
        elif name in _SHARES and inner is not None:
            lines.append(f"{start}: {100 * inner:.1f} %")
        elif inner is not None:
            lines.append(f"{start}: {_text(inner)}")
    return lines


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return ", ".join(map(_text, value))
    return str(value)
