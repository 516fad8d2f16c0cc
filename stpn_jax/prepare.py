"""Door: video files and official split lists -> frames and flow -> TFRecords.

    python -m stpn_jax.prepare --dataset=ucf101 --videos=DIR --splits=DIR --data_dir=OUT

Heavy modules are imported by the functions: worker processes import this file too.
"""

import argparse
import math
import sys
import textwrap
from collections.abc import Callable, Sequence
from typing import NoReturn

from stpn_jax.errors import UsageError

DATASETS = ("ucf101", "hmdb51", "folder")
_LARGEST_SIDE = 4096
_INSPECTED, _SHEET = 12, 12  # clips looked at, and clips of one contact sheet


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line.

    Returns:
        0, or 2 where the user's input is at fault, or 130 after Ctrl-C.
    """
    try:
        _run(_parse(argv))
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("error: interrupted; the same command goes on from here", file=sys.stderr)
        return 130
    return 0


def _run(options: argparse.Namespace) -> None:
    if inspected := options.__dict__.pop("inspect"):
        _inspect(inspected, options.limit or _INSPECTED)
        return
    verify = options.__dict__.pop("verify")
    if not (verify and not options.dataset):
        from stpn_jax import compilation_cache
        from stpn_jax.data import preparation

        compilation_cache.enable()
        preparation.prepare(preparation.Arguments(**vars(options)), _say)
    if verify:
        from stpn_jax.data import disk, records

        with disk.errors_told(options.data_dir):
            count = records.verify(options.data_dir)
        _say(f"{options.data_dir}: the checksums of all {count} records are right")


def _inspect(data_dir: str, clips: int) -> None:
    """Prints counts and doubts, and draws contact sheets beside the records."""
    import numpy as np
    from etils import epath

    from stpn_jax.data import disk, flow, inspection, records
    from stpn_jax.viz import contact_sheet, flow_wheel

    def row(sample: inspection.Sample) -> contact_sheet.Row:
        video = sample.video
        return contact_sheet.Row(
            dataset.meta.classes[dataset.labels[video]],
            (
                f"splits: {' '.join(dataset.membership[video])}",
                f"{dataset.num_frames[video]} frames",
                *textwrap.wrap(dataset.names[video], 30)[:4],
            ),
            sample.frames,
            flow_wheel.colours(displacements(sample.codes), limit),
        )

    def displacements(codes: np.ndarray) -> np.ndarray:
        return np.asarray(flow.dequantise(codes, dataset.meta.bound))

    with disk.errors_told(data_dir):
        dataset = records.open_dataset(data_dir)
        for line in inspection.counts(dataset):
            _say(line)
        chosen = inspection.choose(dataset, clips)
        samples = [inspection.sample(dataset, video) for video in chosen]
        measures = inspection.measure(samples, dataset.meta.bound)
        _say(f"in {len(samples)} clips: {inspection.told(measures)}")
        for doubt in inspection.doubts(dataset, measures):
            _say(f"LOOK: {doubt}")
        lengths = [np.linalg.norm(displacements(s.codes), axis=-1) for s in samples]
        limit = max(1.0, float(np.quantile(np.stack(lengths), 0.98)))
        for start in range(0, len(samples), _SHEET):
            page = start // _SHEET + 1
            path = epath.Path(data_dir) / f"contact_sheet_{page}.png"
            rows = [row(sample) for sample in samples[start : start + _SHEET]]
            path.write_bytes(contact_sheet.draw(dataset.meta.dataset, rows, limit))
            _say(f"wrote {path}")


def _say(line: str) -> None:
    print(line, flush=True)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; --help lists the options")


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    options = _parser().parse_args(argv)
    if options.inspect:
        return options
    if not options.data_dir:
        raise UsageError(
            "--data_dir is missing or empty; it takes the folder for the records"
        )
    if not options.verify and not (options.dataset and options.videos):
        raise UsageError("--dataset and --videos are needed; --help lists the options")
    if options.host and options.host >= options.hosts:
        raise UsageError(
            f"--host={options.host} with --hosts={options.hosts}: expected a number "
            "from 0 to one less than --hosts"
        )
    return options


def _parser() -> _Parser:
    parser = _Parser(
        prog="python -m stpn_jax.prepare",
        description="Decodes videos, computes TV-L1 flow and writes TFRecords. Run the "
        "same command again after any interruption.",
    )
    add = parser.add_argument
    add("--dataset", choices=DATASETS, default="")
    add("--videos", metavar="DIR", default="", help="has a folder for each class")
    add("--splits", metavar="DIR", default="", help="the official split lists")
    add("--data_dir", metavar="DIR", default="", help="where the records go")
    add("--size", metavar="WxH", type=_size, default=(340, 256))
    add("--classes", metavar="A,B", type=_names, default=(), help="default: all")
    add("--limit", metavar="N", type=_count, default=0, help="clips, evenly chosen")
    add("--workers", metavar="N", type=_count, default=0, help="default: one a core")
    add("--hosts", metavar="N", type=_count, default=0, help="machines on one data_dir")
    add("--host", metavar="I", type=_count, default=0, help="which of them: 0 to N-1")
    add("--jpeg_quality", metavar="Q", type=_quality, default=95)
    add("--flow_bound", metavar="PIXELS", type=_positive, default=20.0)
    add(
        "--test_fraction",
        metavar="F",
        type=_fraction,
        default=0.25,
        help="of a folder without train/ and test/",
    )
    add("--seed", metavar="N", type=int, default=0, help="draws that fraction")
    add("--inspect", metavar="DATA_DIR", default="", help="draw and count records")
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


if __name__ == "__main__":
    sys.exit(main())
