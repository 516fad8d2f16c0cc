"""The command: video files and official split lists -> frames and flow -> TFRecords.

    python -m stpn_jax.prepare --dataset=ucf101 --videos=DIR --splits=DIR --data_dir=OUT

Frames and flow that another program extracted replace --videos and TV-L1: --frames=DIR,
--flow=DIR, --flow_bound=20.

Functions import heavy modules, because worker processes import this file too.
"""

import argparse
import math
from collections.abc import Callable, Sequence
from typing import TypeVar

from stpn_jax.utils import errors
from stpn_jax.utils.errors import Parser, UsageError

DATASETS = ("ucf101", "hmdb51", "folder")
_LARGEST_SIDE = 4096
_BOUND = 20.0  # of flow that is computed; TSN's

T = TypeVar("T")


def run() -> None:
    """Runs the command line and ends the process with its status."""
    errors.run(lambda: _run(_parse(None)))


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line.

    Returns:
        as errors.guard: 0, 2 after an error of the user's, 130 after Ctrl-C.
    """
    return errors.guard(lambda: _run(_parse(argv)))


def _run(options: argparse.Namespace) -> None:
    if options.inspect:
        from stpn_jax.prepare import inspection

        inspection.inspect(
            options.inspect, options.out, options.clips, options.seed, _say
        )
        return
    if options.dataset:
        from stpn_jax.prepare import job, preparation
        from stpn_jax.utils import compilation_cache

        compilation_cache.enable()
        others = {"inspect", "out", "clips", "verify"}
        flags = {name: v for name, v in vars(options).items() if name not in others}
        preparation.prepare(job.Arguments(**flags), _say)
    if options.verify:
        from stpn_jax.records import records

        with errors.disk_errors(options.data_dir, "nothing is lost"):
            count = records.verify(options.data_dir)
        _say(f"{options.data_dir}: the checksums of all {count} records are right")


def _say(line: str) -> None:
    # File names may hold bytes that a terminal cannot print.
    print(line.encode(errors="backslashreplace").decode(), flush=True)


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    options = _parser().parse_args(argv)
    if options.out and not options.out.endswith(".png"):
        raise UsageError(f"--out={options.out}: expected the name of a .png file")
    if (options.out or options.clips) and not options.inspect:
        raise UsageError("--out and --clips go with --inspect=DATA_DIR")
    if options.inspect:
        return options
    if not options.data_dir:
        raise UsageError(
            "--data_dir is missing or empty; expected the folder for the records"
        )
    if not options.verify and not options.dataset:
        raise UsageError("--dataset is missing; --help lists the options")
    if not options.verify and bool(options.videos) == bool(options.frames):
        raise UsageError("either --videos or --frames is needed; --help lists both")
    if options.flow and not options.flow_bound:
        raise UsageError(
            f"--flow={options.flow} needs --flow_bound=PIXELS, the displacement that "
            "its program wrote as 255: TSN's 20, denseflow's default 32"
        )
    if options.flow_leads and not options.flow:
        raise UsageError("--flow_leads goes with --flow=DIR")
    options.flow_bound = options.flow_bound or _BOUND
    if (options.host is None) != (not options.hosts):
        raise UsageError("--hosts=N and --host=I, from 0 to N - 1, go together")
    options.host = options.host or 0
    if options.host and options.host >= options.hosts:
        raise UsageError(
            f"--host={options.host} with --hosts={options.hosts}: expected a number "
            "from 0 to one less than --hosts"
        )
    return options


def _parser() -> Parser:
    parser = Parser(
        prog="python -m stpn_jax.prepare",
        description="Decodes videos, computes TV-L1 flow and writes TFRecords. "
        "Preparation is resumable: rerun the same command.",
    )
    add = parser.add_argument
    add("--dataset", choices=DATASETS, default="")
    add("--videos", metavar="DIR", default="", help="has a folder for each class")
    add("--frames", metavar="DIR", default="", help="extracted, instead of --videos")
    add("--flow", metavar="DIR", default="", help="extracted; default: TV-L1, computed")
    add("--splits", metavar="DIR", default="", help="the official split lists")
    add("--data_dir", metavar="DIR", default="", help="where the records are written")
    add("--size", metavar="WxH", type=_SIZE, default=(340, 256))
    add("--classes", metavar="A,B", type=_names, default=(), help="default: all")
    add("--limit", metavar="N", type=_COUNT, default=0, help="clips, evenly chosen")
    add("--workers", metavar="N", type=_COUNT, default=0, help="default: one a core")
    add("--hosts", metavar="N", type=_COUNT, default=0, help="machines on one data_dir")
    add("--host", metavar="I", type=_COUNT, help="which of them: 0 to N-1")
    add("--jpeg_quality", metavar="Q", type=_QUALITY, default=95)
    add(
        "--flow_bound",
        metavar="PIXELS",
        type=_PIXELS,
        help="of --flow: as made; else 20",
    )
    add(
        "--flow_leads",
        choices=("from", "into"),
        default="",
        help="the frame of its number, where --flow has as many images as frames",
    )
    add(
        "--test_fraction",
        metavar="F",
        type=_FRACTION,
        default=0.25,
        help="of a folder without train/ and test/",
    )
    add("--seed", metavar="N", type=int, default=0, help="of all random choices")
    add("--inspect", metavar="DATA_DIR", default="", help="draw and count records")
    add("--out", metavar="PNG", default="", help="of --inspect; default: beside them")
    add("--clips", metavar="N", type=_COUNT, default=0, help="that --inspect draws")
    add("--verify", action="store_true", help="compare the checksums of all records")
    return parser


def _type(
    convert: Callable[[str], T], is_good: Callable[[T], bool], expected: str
) -> Callable[[str], T]:
    """A type of argparse with a message that says what is expected."""

    def parse(text: str) -> T:
        try:
            value = convert(text)
            is_valid = is_good(value)
        except ValueError:
            is_valid = False
        if not is_valid:
            raise argparse.ArgumentTypeError(f"expected {expected}, found {text!r}")
        return value

    return parse


def _two(text: str) -> tuple[int, int]:
    width, height = map(int, text.split("x"))
    return width, height


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for name in text.split(",") if name)


_SIZE = _type(
    _two,
    lambda size: 1 <= min(size) <= max(size) <= _LARGEST_SIDE,
    f"WxH such as 340x256, with sides of 1 to {_LARGEST_SIDE} pixels",
)
_COUNT = _type(int, lambda value: value >= 0, "a count")
_QUALITY = _type(int, lambda value: 1 <= value <= 100, "1 to 100")
_PIXELS = _type(float, lambda value: 0 < value < math.inf, "a positive number")
_FRACTION = _type(float, lambda value: 0 <= value < 1, "a fraction below 1")
