"""Predicts classes, probabilities and attention of videos by an exported network.

    python -m stpn_jax.predict --model=ARTIFACT VIDEO... [--out=DIR] [--pictures]

VIDEO is a file, a folder or a glob. For each video a line of JSON is printed; --out
writes them to files, --pictures and --overlay draw the attention.
"""

if __name__ == "__main__":  # Before the imports: a library may not be installed.
    from stpn_jax import cli

    cli.run_module("stpn_jax.predict")

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from typing import Any

import jax
import tqdm
from etils import epath

from stpn_jax.api import Classifier
from stpn_jax.export import artifact
from stpn_jax.inference import predictions as reporting
from stpn_jax.inference.predictions import Failure, Prediction
from stpn_jax.utils import command_line, errors, wording
from stpn_jax.utils.command_line import POSITIVE, whole
from stpn_jax.video import decoding, discovery

_DONE = "the videos before this one are done"


def main(
    arguments: Sequence[str] | None = None, prog: str = "python -m stpn_jax.predict"
) -> int:
    """Runs the command line; returns the exit status."""
    return errors.guard(lambda: _main(_parse(arguments, prog)), interrupted=_DONE)


def _main(options: argparse.Namespace) -> int:
    with errors.disk_errors(options.out or ".", _DONE):
        return _predict(options)


def _predict(options: argparse.Namespace) -> int:
    classifier = Classifier.load(options.model, options.dtype, options.fast)
    settings = classifier.model.preprocessing
    if settings.paths and not settings.flow:
        _log(
            "warning: this network was trained on flow that another program computed; "
            "here it is TV-L1, and the difference costs accuracy"
        )
    return run(classifier, options)


def run(classifier: Classifier, options: argparse.Namespace) -> int:
    """Predicts each video and writes its files; returns 0 if all were read, else 1."""
    if options.out:
        epath.Path(options.out).mkdir(parents=True, exist_ok=True)
    videos, empty = discovery.find_videos(options.videos)
    for one in empty:
        _print(reporting.as_json(Failure(one, "there is no video in it")))
    _log(_plan(classifier, len(videos)))
    failed = len(empty)
    names = reporting.unique_names(videos)
    predictions = classifier.stream(
        videos,
        top_k=options.top_k,
        snippets=options.snippets,
        window=options.window,
        limit=60 * options.limit_minutes,
    )
    with tqdm.tqdm(total=len(videos), unit="video", disable=None, leave=False) as bar:
        for prediction, path, name in zip(predictions, videos, names, strict=True):
            report = _finish(prediction, path, name, options)
            _print(report)
            failed += "error" in report
            bar.update()
    if failed:
        count = wording.counted(len(videos) + len(empty), "video")
        _log(f"{failed} of {count} could not be read")
    return int(failed > 0)


def _finish(
    prediction: Prediction | Failure, path: str, name: str, options: argparse.Namespace
) -> dict[str, Any]:
    """Writes the files of a video; returns its report."""
    out = epath.Path(options.out or ".")
    report = reporting.as_json(prediction)
    if isinstance(prediction, Prediction):
        try:
            report |= _draw(prediction, path, out / name, options)
        except decoding.VideoError as error:  # The file has changed since.
            report = reporting.as_json(Failure(path, str(error)))
    if options.out:
        text = json.dumps(report, indent=2) + "\n"
        save(out / f"{name}.json", lambda draft: draft.write_text(text))
    return report


def _draw(
    prediction: Prediction, path: str, place: epath.Path, options: argparse.Namespace
) -> dict[str, str]:
    """Writes the requested pictures; returns their paths."""
    written: dict[str, str] = {}
    if not (options.pictures or options.overlay):
        return written
    from stpn_jax.inference import pictures  # Matplotlib, for pictures alone.

    if options.pictures:
        picture = pictures.draw(place.name, prediction)
        file = place.parent / f"{place.name}.png"
        save(file, lambda draft: draft.write_bytes(picture))
        written["picture"] = str(file)
    if options.overlay:
        file = place.parent / f"{place.name}.mp4"
        save(file, lambda draft: pictures.write_overlay(draft, prediction, path))
        written["overlay"] = str(file)
    return written


def save(path: epath.Path, write: Callable[[epath.Path], object]) -> None:
    """Writes a file under another name and renames it, so that it is never partial."""
    draft = path.parent / f".{path.name}.draft"
    try:
        write(draft)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _plan(classifier: Classifier, count: int) -> str:
    counted = wording.counted
    settings: artifact.Preprocessing = classifier.model.preprocessing
    width, height = settings.size
    seconds = 0.2 * width * height / (340 * 256)
    return (
        f"{counted(count, 'video')} on {jax.default_backend()}, "
        f"{counted(len(classifier.labels), 'class')}, "
        f"{counted(settings.snippets, 'snippet')} in "
        f"{counted(settings.crops, 'crop')} each; on a CPU "
        "compiling takes up to half a minute, once a machine, and the flow about "
        f"{seconds:.2g} s for each pair of frames of {width}x{height}"
    )


def _print(report: dict[str, Any]) -> None:
    """Prints one line of JSON; errors go to standard error as well."""
    if "error" in report:
        line = f"{report['video']}: {report['error']}"
        # A name may hold control sequences.
        _log("".join(c if c.isprintable() else "?" for c in line))
    print(json.dumps(report), flush=True)


def _log(message: str) -> None:
    tqdm.tqdm.write(message, file=sys.stderr)


def _parse(arguments: Sequence[str] | None, prog: str) -> argparse.Namespace:
    parser = command_line.Parser(prog=prog, description=__doc__.splitlines()[0])
    add = parser.add_argument
    parser.add_path("--model", required=True, help="folder of an exported network")
    parser.add_path(
        "videos",
        nargs="+",
        metavar="VIDEO",
        help="a file, a folder (hidden files are skipped) or a glob",
    )
    out = "folder for a .json a video, and for pictures [predictions]"
    parser.add_path("--out", help=out)
    add("--pictures", action="store_true", help="also a .png: bars and attention")
    add("--overlay", action="store_true", help="also an .mp4: attention on the video")
    add("--top_k", type=whole(1), default=5, help="classes to report [5]")
    snippets = "a video, and half a window [as evaluated; 2]"
    add("--snippets", type=whole(1), help=snippets)
    add("--window", type=POSITIVE, help="seconds; longer videos get a timeline")
    add("--limit_minutes", type=POSITIVE, default=240.0, help="of a video [240]")
    add("--fast", action="store_true", help="fast flow, 1 crop, at most 3 snippets")
    add("--dtype", choices=artifact.DTYPES, default="float32", help="of activations")
    options = parser.parse_args(arguments)
    if options.pictures or options.overlay:
        errors.require("matplotlib")
        options.out = options.out or "predictions"
    return options
