"""The command: video files and official split lists -> frames and flow -> TFRecords.

    python -m stpn_jax.prepare --dataset=ucf101 --videos=DIR --splits=DIR --data_dir=OUT

Frames and flow that another program extracted replace --videos and TV-L1: --frames=DIR,
--flow=DIR, --flow_bound=20.

Functions import heavy modules, because worker processes import this file too.
"""

import argparse
import functools
from collections.abc import Iterator, Sequence

from stpn_jax.utils import command_line, errors
from stpn_jax.utils.command_line import SEED, whole
from stpn_jax.utils.errors import UsageError

DATASETS = ("ucf101", "hmdb51", "folder")
_LARGEST_SIDE = 4096
_BOUND = 20.0  # of flow that is computed; TSN's


def main(
    arguments: Sequence[str] | None = None, prog: str = "python -m stpn_jax.prepare"
) -> int:
    """Runs the command line; the exit status of errors.guard."""
    return errors.guard(lambda: _run(_parse(arguments, prog)))


def _run(flags: argparse.Namespace) -> None:
    if flags.inspect:
        from stpn_jax.prepare import inspection

        inspection.inspect(flags.inspect, flags.out, flags.clips, flags.seed, _say)
        return
    if flags.dataset:
        from stpn_jax.prepare import preparation
        from stpn_jax.utils import compilation_cache

        compilation_cache.enable()
        preparation.prepare(flags, _say)
    if flags.verify:
        from stpn_jax.records import records

        with errors.disk_errors(flags.data_dir, "nothing is lost"):
            count = records.verify(flags.data_dir)
        _say(f"{flags.data_dir}: the checksums of all {count} records are right")


def _say(line: str) -> None:
    # File names may hold bytes that a terminal cannot print.
    print(line.encode(errors="backslashreplace").decode(), flush=True)


def _parse(arguments: Sequence[str] | None, prog: str) -> argparse.Namespace:
    flags = _parser(prog).parse_args(arguments)
    for is_wrong, message in _checks(flags):
        if is_wrong:
            raise UsageError(message)
    flags.flow_bound = flags.flow_bound or _BOUND
    flags.host = flags.host or 0
    return flags


def _checks(flags: argparse.Namespace) -> Iterator[tuple[object, str]]:
    """Whether flags do not go together, and the message; the first of them counts."""
    yield (
        flags.out and not flags.out.endswith(".png"),
        f"--out={flags.out}: expected the name of a .png file",
    )
    yield (
        (flags.out or flags.clips) and not flags.inspect,
        "--out and --clips go with --inspect=DATA_DIR",
    )
    if flags.inspect:
        return
    yield (
        not flags.data_dir,
        "--data_dir is missing; expected the folder for the records",
    )
    if not flags.verify:
        yield not flags.dataset, "--dataset is missing; --help lists the options"
        yield (
            bool(flags.videos) == bool(flags.frames),
            "either --videos or --frames is needed; --help lists both",
        )
    yield (
        flags.flow and not flags.flow_bound,
        f"--flow={flags.flow} needs --flow_bound=PIXELS, the displacement that its "
        "program wrote as 255: TSN's 20, denseflow's default 32",
    )
    yield flags.flow_leads and not flags.flow, "--flow_leads goes with --flow=DIR"
    yield (
        (flags.host is None) != (not flags.hosts),
        "--hosts=N and --host=I, from 0 to N - 1, go together",
    )
    yield (
        flags.host and flags.host >= flags.hosts,
        f"--host={flags.host} with --hosts={flags.hosts}: expected a number from 0 to "
        "one less than --hosts",
    )


def _parser(prog: str) -> command_line.Parser:
    parser = command_line.Parser(
        prog=prog,
        description="Decodes videos, computes TV-L1 flow and writes TFRecords. "
        "Preparation is resumable: rerun the same command.",
    )
    add, path = parser.add_argument, functools.partial(parser.add_path, default="")
    add("--dataset", choices=DATASETS, default="")
    path("--videos", metavar="DIR", help="has a folder for each class")
    path("--frames", metavar="DIR", help="extracted, instead of --videos")
    path("--flow", metavar="DIR", help="extracted; default: TV-L1, computed")
    path("--splits", metavar="DIR", help="the official split lists")
    path("--data_dir", metavar="DIR", help="where the records are written")
    add("--size", metavar="WxH", type=_SIZE, default=(340, 256))
    add("--classes", metavar="A,B", type=_names, default=(), help="default: all")
    add("--limit", metavar="N", type=whole(0), default=0, help="clips, evenly chosen")
    add("--workers", metavar="N", type=whole(0), default=0, help="default: one a core")
    add(
        "--hosts",
        metavar="N",
        type=whole(0),
        default=0,
        help="machines on one data_dir",
    )
    add("--host", metavar="I", type=whole(0), help="which of them: 0 to N-1")
    add("--jpeg_quality", metavar="Q", type=whole(1, 100), default=95)
    bound = "of --flow: as made; else 20"
    add("--flow_bound", metavar="PIXELS", type=command_line.POSITIVE, help=bound)
    leads = "the frame of its number, where --flow has as many images as frames"
    add("--flow_leads", choices=("from", "into"), default="", help=leads)
    ratio = "of a folder without train/ and test/"
    add("--test_fraction", metavar="F", type=_FRACTION, default=0.25, help=ratio)
    add("--seed", metavar="N", type=SEED, default=0, help="of all that is random")
    path("--inspect", metavar="DATA_DIR", help="draw and count records")
    path("--out", metavar="PNG", help="of --inspect; default: beside them")
    add("--clips", metavar="N", type=whole(0), default=0, help="that --inspect draws")
    add("--verify", action="store_true", help="compare the checksums of all records")
    return parser


def _names(text: str) -> tuple[str, ...]:
    return tuple(filter(None, text.split(",")))


_SIZE = command_line.checked(
    lambda text: tuple(map(int, text.split("x"))),
    lambda size: len(size) == 2 and 1 <= min(size) <= max(size) <= _LARGEST_SIDE,
    f"WxH such as 340x256, with sides of 1 to {_LARGEST_SIDE} pixels",
)
_FRACTION = command_line.checked(
    float, lambda value: 0 <= value < 1, "a fraction below 1"
)
