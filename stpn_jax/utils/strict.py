"""Nested mappings into frozen dataclasses; what does not fit is rejected by name."""

import dataclasses
import difflib
import typing
from typing import Annotated, Any, Literal

from stpn_jax.utils.errors import UsageError


@dataclasses.dataclass(frozen=True)
class Bounds:
    """Range of a number, both ends included; goes into Annotated."""

    low: float
    high: float


def parse(kind: Any, value: Any, path: str) -> Any:
    """A value as the type `kind`.

    Args:
        kind: a dataclass, Literal, tuple, Annotated number with Bounds, or plain type.
            A field that is not given has its default, or, where its metadata has
            `absent`, that value: what files from before the field meant.
        value: what was given; a mapping for a dataclass. A mapping for a tuple of
            dataclasses gives each child its key as `name`.
        path: dotted, for the message.

    Raises:
        UsageError: it does not fit; the message says where, what was expected and what
            was found.
    """
    if dataclasses.is_dataclass(kind):
        return _parse_dataclass(kind, value, path)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        number_kind, bounds = arguments
        return _parse_number(number_kind, bounds, value, path)
    if origin is Literal:
        if value not in arguments:
            allowed = ", ".join(map(repr, arguments))
            raise UsageError(f"{path} = {value!r}: expected one of {allowed}")
        return value
    if origin is tuple:
        if hasattr(value, "items"):
            value = [{"name": name, **child} for name, child in value.items()]
        return _parse_tuple(arguments, value, path)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise UsageError(f"{path} = {value!r}: expected {kind.__name__}")
    return value


def _parse_number(kind: type, bounds: Bounds, value: Any, path: str) -> Any:
    number = parse(kind, value, path)
    if not bounds.low <= number <= bounds.high:
        expected = f"at least {bounds.low:g} and at most {bounds.high:.10g}"
        raise UsageError(f"{path} = {number}: expected {expected}")
    return number


def _parse_tuple(arguments: tuple[Any, ...], value: Any, path: str) -> tuple[Any, ...]:
    if isinstance(value, str) or not hasattr(value, "__len__"):
        raise UsageError(f"{path} = {value!r}: expected a tuple")
    if arguments[-1] is Ellipsis:
        arguments = (arguments[0],) * len(value)
    if len(arguments) != len(value):
        raise UsageError(f"{path} = {value!r}: expected {len(arguments)} values")
    return tuple(
        parse(kind, item, _inner(path, i, item))
        for i, (kind, item) in enumerate(zip(arguments, value, strict=True))
    )


def _inner(path: str, index: int, item: Any) -> str:
    """The path of an item: by its name where it has one."""
    is_named = isinstance(item, dict) and "name" in item
    return f"{path}.{item['name']}" if is_named else f"{path}[{index}]"


def _parse_dataclass(kind: Any, value: Any, path: str) -> Any:
    if not hasattr(value, "items"):
        raise UsageError(f"{path} = {value!r}: expected the fields of {kind.__name__}")
    fields = typing.get_type_hints(kind, include_extras=True)
    given = dict(value.items())
    for key in given:
        if key not in fields:
            nearest = difflib.get_close_matches(key, fields, n=1, cutoff=0.0)
            raise UsageError(f"{path}.{key}: no such field; did you mean {nearest[0]}?")
    absent = [field for field in dataclasses.fields(kind) if field.name not in given]
    missing = [one.name for one in absent if one.default is dataclasses.MISSING]
    if missing:
        raise UsageError(f"{path}: the fields {', '.join(missing)} are missing")
    older = {f.name: f.metadata["absent"] for f in absent if "absent" in f.metadata}
    parsed = {
        name: parse(fields[name], value, f"{path}.{name}")
        for name, value in given.items()
    }
    return kind(**older, **parsed)
