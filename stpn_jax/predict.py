"""Classes, probabilities and attention of any videos, by an exported network.

    python -m stpn_jax.predict --model=ARTIFACT VIDEO... [--out=DIR] [--pictures]

VIDEO is a file, a folder or a glob. For each video a line of JSON is printed; --out
keeps them as files, --pictures and --overlay draw what the network saw.
"""

import argparse
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import tqdm
from etils import epath

from stpn_jax.api import Classifier
from stpn_jax.export import artifact
from stpn_jax.inference import pictures
from stpn_jax.inference import predictions as reporting
from stpn_jax.inference.predictions import Failure, Prediction
from stpn_jax.utils import compilation_cache, errors
from stpn_jax.utils.errors import Parser, UsageError
from stpn_jax.video import decoding, discovery

BROKEN_PIPE, TERMINATED = 141, 143
"""Exit statuses: 128 and the number of the signal, as shells have it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit status."""
    try:
        options = _parse(arguments)
        compilation_cache.enable()
        classifier = Classifier.load(options.model, options.dtype, options.fast)
        settings = classifier.model.preprocessing
        if settings.paths and not settings.flow:
            _say(
                "warning: this network saw flow that another program had computed; "
                "here it is TV-L1, and what differs costs accuracy"
            )
        return run(classifier, options)
    except UsageError as error:
        return _fail(str(error), 2)
    except BrokenPipeError:
        # Python would complain when it closes what nobody reads.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except OSError as error:
        place = options.out if errors.is_full_disk(error) else error.filename
        reason = f"{error.strerror or error}; choose another --out"
        return _fail(f"{place or 'standard output'}: {reason}", 2)
    except KeyboardInterrupt:
        return _fail("interrupted; the videos before this one are done", 130)


def run(classifier: Classifier, options: argparse.Namespace) -> int:
    """Predicts each video and writes its files; a bad video does not stop the others.

    Returns:
        0 if all videos were read, else 1.
    """
    if options.out:
        epath.Path(options.out).mkdir(parents=True, exist_ok=True)
    videos, empty = discovery.find_videos(options.videos)
    for one in empty:
        _print(reporting.as_json(Failure(one, "there is no video in it")))
    _say(_plan(classifier, len(videos)))
    failed = len(empty)
    names = reporting.unique_names(videos)
    answers = _with_bar(_answers(classifier, videos, options), len(videos))
    for answer, path, name in zip(answers, videos, names, strict=True):
        report = _finish(answer, path, name, options)
        _print(report)
        failed += "error" in report
    if failed:
        _say(f"{failed} of {len(videos) + len(empty)} videos could not be read")
    return int(failed > 0)


def _answers(
    classifier: Classifier, videos: Sequence[str], options: argparse.Namespace
) -> Iterator[Prediction | Failure]:
    return classifier.stream(
        videos,
        top_k=options.top_k,
        snippets=options.snippets,
        window=options.window,
        limit=60 * options.limit_minutes,
    )


def _with_bar(
    answers: Iterator[Prediction | Failure], total: int
) -> Iterator[Prediction | Failure]:
    """The answers, with a progress bar where somebody sees it."""
    with tqdm.tqdm(total=total, unit="video", disable=None, leave=False) as bar:
        for answer in answers:
            yield answer
            bar.update()


def _finish(
    answer: Prediction | Failure, path: str, name: str, options: argparse.Namespace
) -> dict[str, Any]:
    """Writes the files of a video; what is reported of it."""
    out = epath.Path(options.out or ".")
    report = reporting.as_json(answer)
    if isinstance(answer, Prediction):
        try:
            report |= _draw(answer, path, out / name, options)
        except decoding.VideoError as error:  # The file is another one by now.
            report = reporting.as_json(Failure(path, str(error)))
    if options.out:
        text = json.dumps(report, indent=2) + "\n"
        save(out / f"{name}.json", lambda draft: draft.write_text(text))
    return report


def _draw(
    answer: Prediction, path: str, place: epath.Path, options: argparse.Namespace
) -> dict[str, str]:
    """Writes the pictures that are asked for; their paths."""
    written = {}
    if options.pictures:
        picture = pictures.draw(place.name, answer)
        file = place.parent / f"{place.name}.png"
        save(file, lambda draft: draft.write_bytes(picture))
        written["picture"] = str(file)
    if options.overlay:
        file = place.parent / f"{place.name}.mp4"
        save(file, lambda draft: pictures.write_overlay(draft, answer, path))
        written["overlay"] = str(file)
    return written


def save(path: epath.Path, write: Callable[[epath.Path], object]) -> None:
    """Writes a file under another name and renames it: it is whole or not there."""
    draft = path.parent / f".{path.name}.draft"
    try:
        write(draft)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _plan(classifier: Classifier, count: int) -> str:
    settings: artifact.Preprocessing = classifier.model.preprocessing
    return (
        f"{count} videos on {jax.default_backend()}, {len(classifier.labels)} classes, "
        f"{settings.snippets} snippets in {settings.views} views each; on a CPU "
        "compiling takes up to half a minute, once a machine, and the flow about 0.2 s "
        "for each pair of frames of 340x256"
    )


def _print(report: dict[str, Any]) -> None:
    """One line of JSON; what failed is told to the reader of the terminal as well."""
    if "error" in report:
        line = f"{report['video']}: {report['error']}"
        # A name may hold what a terminal obeys.
        _say("".join(c if c.isprintable() else "?" for c in line))
    print(json.dumps(report), flush=True)


def _fail(line: str, status: int) -> int:
    _say(f"error: {line}")
    return status


def _say(message: str) -> None:
    tqdm.tqdm.write(message, file=sys.stderr)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser(
        prog="python -m stpn_jax.predict", description=__doc__.splitlines()[0]
    )
    add = parser.add_argument
    add("--model", required=True, help="folder of an exported network")
    add("videos", nargs="+", metavar="VIDEO", help="a file, a folder or a glob")
    add("--out", help="folder for a .json a video, and for pictures [predictions]")
    add("--pictures", action="store_true", help="also a .png: bars and attention")
    add("--overlay", action="store_true", help="also an .mp4: attention on the video")
    add("--top_k", type=_whole, default=5, help="classes to report [5]")
    add("--snippets", type=_whole, help="a video, and half a window [as evaluated; 2]")
    add("--window", type=_above_zero, help="seconds; longer videos get a timeline")
    add("--limit_minutes", type=_above_zero, default=240.0, help="of a video [240]")
    add("--fast", action="store_true", help="fast flow, 1 view, at most 3 snippets")
    add("--dtype", choices=artifact.DTYPES, default="float32", help="of activations")
    options = parser.parse_args(arguments)
    if options.pictures or options.overlay:
        options.out = options.out or "predictions"
    return options


def _whole(text: str) -> int:
    if not (text.isdecimal() and int(text)):
        raise argparse.ArgumentTypeError(f"expected 1 or more, found {text!r}")
    return int(text)


def _above_zero(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number above 0, found {text!r}")
    return value


if __name__ == "__main__":
    # So that nothing half written stays behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
    errors.run(main)
