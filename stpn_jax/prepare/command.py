"""Door: video files and official split lists -> frames and flow -> TFRecords.

    python -m stpn_jax.prepare --dataset=ucf101 --videos=DIR --splits=DIR --data_dir=OUT

Frames and flow that another program extracted take the place of --videos and TV-L1:
--frames=DIR, --flow=DIR, --flow_bound=20.

Heavy modules are imported by the functions: worker processes import this file too.
"""

import argparse
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from stpn_jax.utils import errors
from stpn_jax.utils.errors import Parser, UsageError

if TYPE_CHECKING:
    from etils import epath

    from stpn_jax.records import records

DATASETS = ("ucf101", "hmdb51", "folder")
_LARGEST_SIDE = 4096
_SHEET = 16  # clips of one contact sheet
_MEASURED = 100  # clips, at least, whose flow is measured
_BOUND = 20.0  # of flow that is computed; TSN's


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line.

    Returns:
        as errors.guard: 0, 2 where the user's input is at fault, 130 after Ctrl-C.
    """
    return errors.guard(lambda: _run(_parse(argv)))


def _run(options: argparse.Namespace) -> None:
    if inspected := options.__dict__.pop("inspect"):
        _inspect(inspected, options.out, options.clips, options.seed)
        return
    for name in ("out", "clips"):
        options.__dict__.pop(name)
    verify = options.__dict__.pop("verify")
    if not (verify and not options.dataset):
        from stpn_jax.prepare import job, preparation
        from stpn_jax.utils import compilation_cache

        compilation_cache.enable()
        preparation.prepare(job.Arguments(**vars(options)), _say)
    if verify:
        from stpn_jax.records import records

        with errors.disk_errors(options.data_dir, "nothing is lost"):
            count = records.verify(options.data_dir)
        _say(f"{options.data_dir}: the checksums of all {count} records are right")


def _inspect(data_dir: str, out: str, clips: int, seed: int) -> None:
    """Prints counts and doubts, and draws contact sheets."""
    from etils import epath

    from stpn_jax.prepare import inspection
    from stpn_jax.records import records

    with errors.disk_errors(data_dir, "nothing is lost"):
        dataset = records.open_dataset(data_dir)
        for line in inspection.counts(dataset):
            _say(line)
        clips = clips or max(_SHEET, len(dataset.meta.classes))
        measured = inspection.choose(dataset, max(clips, _MEASURED), seed)
        samples = (inspection.sample(dataset, video) for video in measured)
        measures = inspection.measure(samples, dataset.meta.bound)
        _say(f"in {len(measured)} clips: {inspection.told(measures)}")
        for doubt in inspection.doubts(dataset, measures):
            _say(f"LOOK: {doubt}")
    path = epath.Path(out or epath.Path(data_dir) / "contact_sheet.png")
    with errors.disk_errors(path.parent, "nothing is lost"):
        _draw(dataset, inspection.choose(dataset, clips, seed), path)


def _draw(
    dataset: "records.Dataset", videos: Sequence[int], path: "epath.Path"
) -> None:
    """Writes the sheets of these clips: one as path, several with a number added."""
    import numpy as np

    from stpn_jax.figures import contact_sheet, flow_wheel
    from stpn_jax.prepare import inspection
    from stpn_jax.video import flow_codec

    meta = dataset.meta
    pages = np.array_split(np.asarray(videos), math.ceil(len(videos) / _SHEET))
    for number, page in enumerate(pages, 1):
        samples = [inspection.sample(dataset, int(video)) for video in page]
        flows = [
            np.asarray(flow_codec.dequantise(s.codes, meta.bound)) for s in samples
        ]
        fastest = [np.quantile(np.linalg.norm(u, axis=-1), 0.99) for u in flows]
        # The median clip shows its full colours, whatever the fastest one does.
        limit = max(1.0, float(np.median(fastest)))
        rows = [
            contact_sheet.Row(
                *inspection.described(dataset, sample),
                sample.frames,
                flow_wheel.colours(u, limit),
            )
            for sample, u in zip(samples, flows, strict=True)
        ]
        width, height = meta.size
        title = (
            f"{meta.dataset}\n{width}x{height}, bound {meta.bound:g} px\n"
            f"sheet {number} of {len(pages)}"
        )
        file = path if len(pages) == 1 else path.with_stem(f"{path.stem}_{number}")
        file.write_bytes(contact_sheet.draw(title, rows, limit))
        _say(f"wrote {file}")


def _say(line: str) -> None:
    # Names of files may hold bytes that no terminal takes.
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
            "--data_dir is missing or empty; it takes the folder for the records"
        )
    if not options.verify and not options.dataset:
        raise UsageError("--dataset is missing; --help lists the options")
    if not options.verify and bool(options.videos) == bool(options.frames):
        raise UsageError("either --videos or --frames is needed; --help lists both")
    _check_flow(options)
    if (options.host is None) != (not options.hosts):
        raise UsageError("--hosts=N and --host=I, from 0 to N - 1, go together")
    options.host = options.host or 0
    if options.host and options.host >= options.hosts:
        raise UsageError(
            f"--host={options.host} with --hosts={options.hosts}: expected a number "
            "from 0 to one less than --hosts"
        )
    return options


def _check_flow(options: argparse.Namespace) -> None:
    """Sets the bound, which is known only where flow is computed."""
    if options.flow and not options.flow_bound:
        raise UsageError(
            f"--flow={options.flow} needs --flow_bound=PIXELS, the displacement that "
            "its program wrote as 255: TSN's 20, denseflow's default 32"
        )
    if options.flow_leads and not options.flow:
        raise UsageError("--flow_leads goes with --flow=DIR")
    options.flow_bound = options.flow_bound or _BOUND


def _parser() -> Parser:
    parser = Parser(
        prog="python -m stpn_jax.prepare",
        description="Decodes videos, computes TV-L1 flow and writes TFRecords. Run the "
        "same command again after any interruption.",
    )
    add = parser.add_argument
    add("--dataset", choices=DATASETS, default="")
    add("--videos", metavar="DIR", default="", help="has a folder for each class")
    add("--frames", metavar="DIR", default="", help="extracted, instead of --videos")
    add("--flow", metavar="DIR", default="", help="extracted; default: TV-L1, computed")
    add("--splits", metavar="DIR", default="", help="the official split lists")
    add("--data_dir", metavar="DIR", default="", help="where the records go")
    add("--size", metavar="WxH", type=_size, default=(340, 256))
    add("--classes", metavar="A,B", type=_names, default=(), help="default: all")
    add("--limit", metavar="N", type=_count, default=0, help="clips, evenly chosen")
    add("--workers", metavar="N", type=_count, default=0, help="default: one a core")
    add("--hosts", metavar="N", type=_count, default=0, help="machines on one data_dir")
    add("--host", metavar="I", type=_count, help="which of them: 0 to N-1")
    add("--jpeg_quality", metavar="Q", type=_quality, default=95)
    add(
        "--flow_bound",
        metavar="PIXELS",
        type=_positive,
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
        type=_fraction,
        default=0.25,
        help="of a folder without train/ and test/",
    )
    add("--seed", metavar="N", type=int, default=0, help="of all that is drawn")
    add("--inspect", metavar="DATA_DIR", default="", help="draw and count records")
    add("--out", metavar="PNG", default="", help="of --inspect; default: beside them")
    add("--clips", metavar="N", type=_count, default=0, help="that --inspect draws")
    add("--verify", action="store_true", help="compare the checksums of all records")
    return parser


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise argparse.ArgumentTypeError(
            f"expected WxH such as 340x256, found {text!r}"
        )
    size = int(width), int(height)
    if not 1 <= min(size) <= max(size) <= _LARGEST_SIDE:
        raise argparse.ArgumentTypeError(
            f"expected sides of 1 to {_LARGEST_SIDE} pixels, found {text!r}"
        )
    return size


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for name in text.split(",") if name)


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a count, found {text!r}")
    return int(text)


def _quality(text: str) -> int:
    if not (text.isdecimal() and 1 <= int(text) <= 100):
        raise argparse.ArgumentTypeError(f"expected 1 to 100, found {text!r}")
    return int(text)


def _number(text: str, is_good: Callable[[float], bool], expected: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not (math.isfinite(value) and is_good(value)):
        raise argparse.ArgumentTypeError(f"expected {expected}, found {text!r}")
    return value


def _positive(text: str) -> float:
    return _number(text, lambda value: value > 0, "a positive number")


def _fraction(text: str) -> float:
    return _number(text, lambda value: 0 <= value < 1, "a fraction below 1")


def run() -> None:
    """Runs the command line and ends the process with its status."""
    errors.run(lambda: _run(_parse(None)))
