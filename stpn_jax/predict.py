"""Class, probabilities and attention of any video, by an exported network.

    python -m stpn_jax.predict --model=ARTIFACT VIDEO... [--out=DIR]

writes for each video a JSON file with the most likely classes and a picture of them
beside the attention over the middle frame. It prints the JSON, a line a video.
"""

import argparse
import dataclasses
import json
import sys
import time
from collections.abc import Sequence
from typing import Any, NoReturn

import jax
import numpy as np
from etils import epath
from jaxtyping import Float, Int, UInt8

from stpn_jax import compilation_cache
from stpn_jax.data import augment, flow, sampling, video
from stpn_jax.errors import UsageError
from stpn_jax.export import artifact, contract
from stpn_jax.ops import tvl1
from stpn_jax.viz import answer, overlay


@dataclasses.dataclass(frozen=True)
class Prediction:
    """What a network answers for one video.

    Attributes:
        probabilities: the average over snippets and views.
        num_frames: of the video.
        frame: the centre frame of the snippet nearest to the middle of the video.
        attention: over the central crop of that frame.
        box: that crop in pixels of the frame: y0 x0 y1 x1.
        warnings: what was wrong with the file, as far as it was read.
    """

    probabilities: Float[np.ndarray, "classes"]
    num_frames: int
    frame: UInt8[np.ndarray, "y x 3"]
    attention: Float[np.ndarray, "h w"]
    box: tuple[int, int, int, int]
    warnings: tuple[str, ...]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit status."""
    try:
        options = _parse(arguments)
        compilation_cache.enable()
        model = artifact.load(options.model)
        if model.preprocessing.paths and not model.preprocessing.flow:
            _say(
                "warning: this network saw flow that another program had computed; "
                "here it is TV-L1, and what differs costs accuracy"
            )
        model = dataclasses.replace(
            model, preprocessing=_preprocessing(options, model.preprocessing)
        )
        return run(model, options.videos, epath.Path(options.out), options.top_k)
    except UsageError as error:
        return _fail(str(error), 2)
    except OSError as error:
        return _fail(f"{error.filename}: {error.strerror}; choose another --out", 2)
    except KeyboardInterrupt:
        return _fail("interrupted; the videos before this one are done", 130)


def _preprocessing(
    options: argparse.Namespace, settings: contract.Preprocessing
) -> contract.Preprocessing:
    """The network's own, but for what the command line asks for."""
    if options.snippets:
        settings = dataclasses.replace(settings, snippets=options.snippets)
    if options.fast_flow:
        fast = dataclasses.asdict(tvl1.PRESETS["fast"])
        settings = dataclasses.replace(settings, flow=fast)
    return settings


def run(
    model: artifact.Artifact, paths: Sequence[str], out: epath.Path, top_k: int
) -> int:
    """Predicts each video and writes its files; a bad video does not stop the others.

    Args:
        model: the network.
        paths: of the videos.
        out: made if absent.
        top_k: classes to report.

    Returns:
        0 if all videos were read, else 1.
    """
    out.mkdir(parents=True, exist_ok=True)
    _say(_plan(model, paths))
    failed = 0
    for path, name in zip(paths, unique_names(paths), strict=True):
        start = time.monotonic()
        report: dict[str, Any] = {"video": path}
        files = [out / f"{name}.json"]
        try:
            prediction = predict(model, path)
        except (video.VideoError, OSError) as error:
            failed += 1
            report["error"] = str(error)
            _say(f"{path}: {error}")
        else:
            report |= describe(model, prediction, top_k)
            files.append(out / f"{name}.png")
            files[1].write_bytes(draw(name, report["predictions"], prediction))
            report["picture"] = str(files[1])
        report["seconds"] = round(time.monotonic() - start, 2)
        print(json.dumps(report), flush=True)
        files[0].write_text(json.dumps(report, indent=2) + "\n")
        _say("wrote " + " and ".join(map(str, files)))
    if failed:
        _say(f"{failed} of {len(paths)} videos could not be read")
    return int(failed > 0)


def predict(model: artifact.Artifact, path: epath.PathLike) -> Prediction:
    """Averages the network over the snippets and views of one video (section 4.7).

    Raises:
        VideoError: the file cannot be decoded, or has too few frames.
    """
    settings = model.preprocessing
    source = video.Video(path)
    frames = np.stack([video.resize(frame, settings.size) for frame in source])
    moments = _moments(settings, len(frames))
    flows = needed_flows(settings, moments, frames)
    views = augment.test_views(settings.size, settings.input_size, settings.views)
    answers = [
        model.predict(*_samples(settings, moment, views, frames, flows))
        for moment in moments
    ]
    middle = (len(frames) - 1) / 2
    shown = min(range(len(moments)), key=lambda i: abs(moments[i].centre - middle))
    view = _central(views, settings.size)
    return Prediction(
        probabilities=np.mean([np.asarray(a[0]).mean(0) for a in answers], axis=0),
        num_frames=len(frames),
        frame=frames[moments[shown].centre],
        attention=np.asarray(answers[shown][1][view]),
        box=views[view][:4],
        warnings=tuple(source.warnings),
    )


def needed_flows(
    settings: contract.Preprocessing,
    moments: Sequence[sampling.Moment],
    frames: UInt8[np.ndarray, "t y x 3"],
) -> dict[int, UInt8[np.ndarray, "2 y x"]]:
    """The flows that the snippets read, x then y, by position; no others are computed.

    Args:
        settings: of the network.
        moments: the snippets.
        frames: all frames of the video.
    """
    positions = [_flow_positions(settings, m, len(frames)) for m in moments]
    needed = np.unique(np.concatenate(positions))
    parameters = tvl1.Parameters(**settings.flow)
    flows: dict[int, UInt8[np.ndarray, "2 y x"]] = {}
    for part in np.split(needed, np.flatnonzero(np.diff(needed) > 1) + 1):
        if len(part):
            consecutive = frames[part[0] : part[-1] + 2]
            codes = flow.compute(consecutive, parameters, settings.bound)
            flows |= zip(part.tolist(), codes.transpose(0, 3, 1, 2), strict=True)
    return flows


def describe(
    model: artifact.Artifact, prediction: Prediction, top_k: int
) -> dict[str, Any]:
    """The part of the report that comes from the network."""
    best = np.argsort(-prediction.probabilities, kind="stable")[:top_k]
    return {
        "predictions": [
            {
                "label": model.labels[i],
                "probability": round(float(prediction.probabilities[i]), 6),
            }
            for i in best
        ],
        "frames": prediction.num_frames,
        "snippets": model.preprocessing.snippets,
        "views": model.preprocessing.views,
        "warnings": prediction.warnings,
    }


def draw(
    title: str, predictions: Sequence[dict[str, Any]], prediction: Prediction
) -> bytes:
    """The picture of a prediction as a PNG file."""
    return answer.draw(
        title,
        [p["label"] for p in predictions],
        [p["probability"] for p in predictions],
        overlay.blend(prediction.frame, prediction.attention, prediction.box),
    )


def unique_names(paths: Sequence[str]) -> list[str]:
    """File names without their endings, numbered where two videos share one."""
    names: list[str] = []
    for path in paths:
        stem, number = epath.Path(path).stem or "video", 2
        name = stem
        while name in names:
            name, number = f"{stem}-{number}", number + 1
        names.append(name)
    return names


def _moments(
    settings: contract.Preprocessing, num_frames: int
) -> list[sampling.Moment]:
    if settings.paths and num_frames < 2:
        raise video.VideoError("a single frame has no motion; expected 2 or more")
    return sampling.test_moments(
        0, num_frames, _shape(settings), settings.snippets, "even", settings.seed
    )


def _shape(settings: contract.Preprocessing) -> sampling.SnippetShape:
    return sampling.SnippetShape(
        settings.frames, settings.paths, settings.flow_length, settings.tau
    )


def _flow_positions(
    settings: contract.Preprocessing, moment: sampling.Moment, num_frames: int
) -> Int[np.ndarray, "k t"]:
    return sampling.flow_positions(
        moment.centre, moment.tau, _shape(settings), num_frames - 1
    )


def _samples(
    settings: contract.Preprocessing,
    moment: sampling.Moment,
    views: Sequence[augment.View],
    frames: UInt8[np.ndarray, "t y x 3"],
    flows: dict[int, UInt8[np.ndarray, "2 y x"]],
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The program's arguments: one snippet in all its views."""
    width, height = settings.size
    shown = sampling.frame_positions(
        moment.centre, moment.tau, _shape(settings), len(frames)
    )
    rgb = frames[shown].transpose(0, 3, 1, 2)
    motion = np.zeros((0, 2 * settings.flow_length, height, width), np.uint8)
    if settings.paths:
        paths = _flow_positions(settings, moment, len(frames))
        motion = np.stack([np.concatenate([flows[int(p)] for p in c]) for c in paths])
    crops = [(..., slice(v.y0, v.y1), slice(v.x0, v.x1)) for v in views]
    box = (0, 0, settings.input_size, settings.input_size)
    return (
        np.stack([rgb[crop] for crop in crops]),
        np.stack([motion[crop] for crop in crops]),
        np.tile(np.asarray(box, np.float32), (len(views), 1)),
        np.array([v.flip for v in views]),
    )


def _central(views: Sequence[augment.View], size: tuple[int, int]) -> int:
    """The view nearest to the centre of the frame that is not mirrored."""

    def distance(i: int) -> tuple[bool, int]:
        v = views[i]
        return v.flip, abs(v.x0 + v.x1 - size[0]) + abs(v.y0 + v.y1 - size[1])

    return min(range(len(views)), key=distance)


def _plan(model: artifact.Artifact, paths: Sequence[str]) -> str:
    settings = model.preprocessing
    return (
        f"{len(paths)} videos on {jax.default_backend()}, {len(model.labels)} classes, "
        f"{settings.snippets} snippets in {settings.views} views each; on a CPU "
        "compiling takes up to half a minute, once a machine, and the flow about 0.2 s "
        "for each pair of frames of 340x256"
    )


def _fail(line: str, status: int) -> int:
    _say(f"error: {line}")
    return status


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; --help lists the options")


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = _Parser(
        prog="python -m stpn_jax.predict", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--model", required=True, help="folder of an exported network")
    parser.add_argument("videos", nargs="+", metavar="VIDEO")
    parser.add_argument("--out", default="predictions", help="folder for the results")
    parser.add_argument(
        "--snippets", type=_positive, help="snippets a video; default: as evaluated"
    )
    parser.add_argument(
        "--fast_flow",
        action="store_true",
        help="flow four times as fast, 0.14 pixels apart on average",
    )
    parser.add_argument("--top_k", type=_positive, default=5, help="classes to report")
    return parser.parse_args(arguments)


def _positive(text: str) -> int:
    if not (text.isdecimal() and int(text)):
        raise argparse.ArgumentTypeError(f"expected 1 or more, found {text!r}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
