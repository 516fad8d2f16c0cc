"""A page in the browser: drop a video, see what the network says and where it looks.

    python -m stpn_jax.app --model=ARTIFACT [--samples=FOLDER] [--port=7860]

It is served to this machine alone unless --host says otherwise. Uploads are deleted
when they are answered, whatever becomes of them; what the page shows is deleted with
the program at the latest. It needs the extra `app`.
"""

import argparse
import dataclasses
import io
import os
import pathlib
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from typing import Any

import matplotlib.image
import numpy as np

from stpn_jax.api import Classifier
from stpn_jax.figures import prediction_figure
from stpn_jax.inference import pictures
from stpn_jax.inference import predictions as reporting
from stpn_jax.inference.predictions import Failure, Prediction
from stpn_jax.utils import compilation_cache, errors
from stpn_jax.utils.errors import UsageError
from stpn_jax.video import discovery

TERMINATED = 143
"""Exit status: 128 and the number of the signal, as shells have it."""

_KEPT_SECONDS = 600
"""How long what the page shows is kept."""

_QUEUE = 16
"""Requests that may wait; one is answered at a time."""


@dataclasses.dataclass(frozen=True)
class Shown:
    """What the page shows of an answer.

    Attributes:
        shares: probability by label.
        overlay: path of the video with its attention.
        flow: the flow at the frame that was looked at, as colours.
        timeline: a picture of the parts of a long video.
        summary: the rest, as text.
    """

    shares: dict[str, float]
    overlay: str | None
    flow: np.ndarray | None
    timeline: np.ndarray | None
    summary: str


class Desk:
    """Answers one video at a time and cleans up after it.

    Attributes:
        folder: of uploads and of what is shown; nothing outside of it is deleted.
    """

    def __init__(
        self, classifier: Classifier, folder: pathlib.Path, limit_seconds: float
    ):
        self.folder = folder
        self._classifier, self._limit = classifier, limit_seconds
        self._lock = threading.Lock()
        self._made: list[tuple[float, pathlib.Path]] = []

    def upload(self, path: str) -> Shown | Failure:
        """Answers an upload, which is deleted."""
        try:
            return self.answer(path)
        finally:
            self._delete(pathlib.Path(path))

    def answer(self, path: str) -> Shown | Failure:
        """Answers a video; nothing but what is shown stays behind."""
        with self._lock:
            self._prune()
            (found,) = self._classifier.stream([path], limit=self._limit)
            return self._shown(found, path) if isinstance(found, Prediction) else found

    def _shown(self, answer: Prediction, path: str) -> Shown:
        handle, overlay = tempfile.mkstemp(".mp4", dir=self.folder)
        os.close(handle)
        try:
            pictures.write_overlay(overlay, answer, path)
        except BaseException:
            os.unlink(overlay)
            raise
        self._made.append((time.monotonic(), pathlib.Path(overlay)))
        return Shown(
            dict(zip(answer.labels, answer.probabilities.tolist(), strict=True)),
            overlay,
            pictures.flow(answer, self._classifier.model.preprocessing.bound),
            _timeline(answer),
            summary(answer),
        )

    def _prune(self) -> None:
        """Deletes what has been shown for long enough."""
        while self._made and time.monotonic() - self._made[0][0] > _KEPT_SECONDS:
            self._made.pop(0)[1].unlink(missing_ok=True)

    def _delete(self, path: pathlib.Path) -> None:
        inside = path.resolve().is_relative_to(self.folder.resolve())
        if inside and not path.is_symlink():
            path.unlink(missing_ok=True)


def summary(answer: Prediction) -> str:
    """Length, time that it took and warnings, in one line of plain text."""
    seconds = answer.num_frames / answer.rate
    took = sum(vars(answer.timings).values())
    spent = ", ".join(f"{k} {v:.1f}" for k, v in vars(answer.timings).items())
    text = f"{seconds:.1f} s of video; answered in {took:.1f} s ({spent})"
    return "; ".join([f"{os.path.basename(answer.video)}: {text}", *answer.warnings])


def _timeline(answer: Prediction) -> np.ndarray | None:
    if not answer.parts:
        return None
    png = prediction_figure.timeline(answer.parts)
    pixels = matplotlib.image.imread(io.BytesIO(png))
    return np.round(255 * pixels[..., :3]).astype(np.uint8)


def _path_of(upload: Any) -> str | None:
    """Where an upload lies, which Gradio has checked to be among the uploads."""
    return upload.path if upload else None


def page(desk: Desk, samples: dict[str, str]) -> Any:
    """The page.

    Args:
        desk: answers.
        samples: paths of videos by the name to pick them by.
    """
    import gradio

    def show(found: Shown | Failure) -> list[Any]:
        if isinstance(found, Failure):
            name = os.path.basename(found.video)
            said = f"no answer for {name}: {found.reason}"
            found = Shown({}, None, None, None, said)
        drawn = found.timeline
        pictured = gradio.update(value=drawn, visible=drawn is not None)
        return [found.shares, found.overlay, found.flow, pictured, found.summary]

    def uploaded(path: str | None) -> list[Any]:
        found = desk.upload(path) if path else Failure("", "no file came")
        return [None, *show(found)]

    def picked(name: str | None) -> list[Any]:
        if name not in samples:
            return show(Failure(str(name), "there is no such sample"))
        return show(desk.answer(samples[name]))

    with gradio.Blocks(
        title="stpn_jax", analytics_enabled=False, delete_cache=(60, _KEPT_SECONDS)
    ) as blocks:
        gradio.Markdown("# What happens in this video?")
        with gradio.Row():
            with gradio.Column():
                upload = gradio.File(label="Drop a video", elem_id="upload")
                # Gradio's own makes an empty file for each upload and leaves it.
                upload.preprocess = _path_of
                sample = gradio.Dropdown(
                    sorted(samples),
                    value=None,
                    label="or pick a sample",
                    visible=bool(samples),
                    elem_id="sample",
                )
                label = gradio.Label(
                    num_top_classes=5, label="Classes", elem_id="classes"
                )
                text = gradio.Textbox(label="About it", elem_id="summary")
            with gradio.Column():
                overlay = gradio.Video(
                    label="Attention",
                    elem_id="overlay",
                    height=320,
                    autoplay=True,
                    loop=True,
                )
                flow = gradio.Image(
                    label="Flow as colours",
                    elem_id="flow",
                    height=240,
                    buttons=["download"],
                )
        pictured = gradio.Image(
            label="Timeline", visible=False, elem_id="timeline", buttons=["download"]
        )
        outputs = [label, overlay, flow, pictured, text]
        private: dict[str, Any] = {
            "api_visibility": "private",
            "concurrency_limit": 1,
            "concurrency_id": "network",
        }
        upload.upload(uploaded, upload, [upload, *outputs], **private)
        sample.input(picked, sample, outputs, **private)
    return blocks.queue(max_size=_QUEUE, api_open=False)


def main(arguments: Sequence[str] | None = None) -> int:
    """Serves the page until it is interrupted; returns the exit status."""
    options = _parse(arguments)
    try:
        import gradio
    except ImportError:
        return _fail("gradio is not installed; run: pip install 'stpn-jax[app]'")
    compilation_cache.enable()
    try:
        classifier = Classifier.load(options.model, options.dtype, options.fast)
        samples = find_samples(options.samples)
    except UsageError as error:
        return _fail(str(error))
    print("compiling, up to half a minute", flush=True)
    classifier.warm_up()
    with tempfile.TemporaryDirectory(prefix="stpn_jax_app_") as folder:
        os.environ["GRADIO_TEMP_DIR"] = folder
        desk = Desk(classifier, pathlib.Path(folder), options.limit_seconds)
        try:
            page(desk, samples).launch(
                server_name=options.host,
                server_port=options.port,
                max_file_size=f"{options.limit_megabytes}mb",
                share=False,
                ssr_mode=False,
                enable_monitoring=False,
                footer_links=[],
                # The default theme asks another server for its letters.
                theme=gradio.themes.Default(font="sans-serif", font_mono="monospace"),
            )
        except OSError as error:
            return _fail(" ".join(str(error).split()))
    return 0


def find_samples(folder: str) -> dict[str, str]:
    """Videos below a folder by their name; none without a folder.

    Raises:
        UsageError: there is no video.
    """
    if not folder:
        return {}
    videos, empty = discovery.find_videos([folder])
    if empty:
        raise UsageError(f"--samples={folder}: there is no video in it")
    return dict(zip(reporting.unique_names(videos), videos, strict=True))


def _fail(line: str) -> int:
    print(f"error: {line}", file=sys.stderr)
    return 2


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m stpn_jax.app", description=__doc__.splitlines()[0]
    )
    add = parser.add_argument
    add("--model", required=True, help="folder of an exported network")
    add("--samples", default="", help="folder of videos to pick from")
    add("--host", default="127.0.0.1", help="address to serve [this machine alone]")
    add("--port", type=int, default=7860, help="[7860]")
    add("--limit_seconds", type=float, default=180.0, help="of a video [180]")
    add("--limit_megabytes", type=int, default=100, help="of an upload [100]")
    add("--fast", action="store_true", help="fast flow, 1 view, at most 3 snippets")
    add("--dtype", default="float32", choices=("float32", "bfloat16"))
    return parser.parse_args(arguments)


if __name__ == "__main__":
    # So that the folder of uploads goes with the program.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
    errors.run(main)
