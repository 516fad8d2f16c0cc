"""Arguments of commands: a parser whose errors are UsageErrors, and types of values."""

import argparse
import contextlib
import os
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from stpn_jax.utils.errors import UsageError

T = TypeVar("T")


class Parser(argparse.ArgumentParser):
    """A parser without abbreviations whose errors are UsageErrors."""

    def __init__(self, **more: Any):
        """Arguments as argparse's."""
        super().__init__(**{"allow_abbrev": False} | more)

    def add_path(self, *names: str, **more: Any) -> None:
        """Adds one path or several: `~` is the home folder, and an empty one fails."""
        self.add_argument(*names, action=_Path, **more)

    def error(self, message: str) -> NoReturn:
        """Raises UsageError."""
        raise UsageError(f"{message}; --help lists the options")


class _Path(argparse.Action):
    def __call__(
        self, parser: Any, namespace: Any, values: Any, option_string: Any = None
    ) -> None:
        is_one = isinstance(values, str | os.PathLike)
        given = [os.path.expanduser(path) for path in ([values] if is_one else values)]
        if "" in given:
            raise argparse.ArgumentError(self, "expected a path, found nothing")
        setattr(namespace, self.dest, given[0] if is_one else given)


def checked(
    convert: Callable[[str], T], is_good: Callable[[T], bool], expected: str
) -> Callable[[str], T]:
    """A type of argparse with a message that says what is expected."""

    def parse(text: str) -> T:
        with contextlib.suppress(ValueError):
            if is_good(value := convert(text)):
                return value
        raise argparse.ArgumentTypeError(f"expected {expected}, found {text!r}")

    return parse


def whole(low: int, high: int = 2**31 - 1) -> Callable[[str], int]:
    """The type of whole numbers in a range, both ends included."""
    expected = f"a whole number from {low} to {high}"
    return checked(int, lambda value: low <= value <= high, expected)


SEED = whole(0, 2**32 - 1)
POSITIVE = checked(float, lambda x: 0 < x <= 1e9, "a number above 0, at most 1e9")
