"""A page in the browser: drop a video, see its classes and the network's attention.

    python -m stpn_jax.app --model=ARTIFACT [--samples=FOLDER] [--port=7860]

It is served to this machine alone unless --host is given. Uploads are deleted once they
are processed, also after an error; what the page shows is deleted after ten minutes or
with the program. It needs the extra `app`.
"""

if __name__ == "__main__":  # Before the imports: a library may not be installed.
    from stpn_jax import cli

    cli.run_module("stpn_jax.app")

import argparse
import dataclasses
import io
import os
import pathlib
import tempfile
import threading
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import UInt8

from stpn_jax.api import Classifier
from stpn_jax.inference import predictions as reporting
from stpn_jax.inference.predictions import Failure, Prediction
from stpn_jax.utils import command_line, errors
from stpn_jax.utils.command_line import whole
from stpn_jax.utils.errors import UsageError
from stpn_jax.video import discovery

_KEPT_SECONDS = 600  # Of what the page shows.
_QUEUE = 16  # Requests that may wait; one is processed at a time.


@dataclasses.dataclass(frozen=True)
class Shown:
    """What the page shows of a prediction."""

    shares: dict[str, float]  # Probability by label.
    overlay: str | None  # Path of the video with its attention.
    flow: UInt8[np.ndarray, "y x 3"] | None  # At the frame shown, as colours.
    timeline: UInt8[np.ndarray, "y x 3"] | None  # The parts of a long video.
    summary: str


class Service:
    """Predicts one video at a time and deletes files of `folder`, none elsewhere."""

    def __init__(
        self, classifier: Classifier, folder: pathlib.Path, limit_seconds: float
    ):
        self.folder = folder
        self._classifier, self._limit = classifier, limit_seconds
        self._lock = threading.Lock()
        self._made: list[tuple[float, pathlib.Path]] = []

    def upload(self, path: str) -> Shown | Failure:
        """Predicts an upload and deletes it."""
        try:
            return self.predict(path)
        finally:
            self._delete(pathlib.Path(path))

    def predict(self, path: str) -> Shown | Failure:
        """Predicts a video; only what is shown stays in the folder."""
        with self._lock:
            self._prune()
            (found,) = self._classifier.stream([path], limit=self._limit)
            return self._shown(found, path) if isinstance(found, Prediction) else found

    def _shown(self, prediction: Prediction, path: str) -> Shown:
        from stpn_jax.inference import pictures  # Matplotlib, an extra, as below.

        handle, overlay = tempfile.mkstemp(".mp4", dir=self.folder)
        os.close(handle)
        try:
            pictures.write_overlay(overlay, prediction, path)
        except BaseException:
            os.unlink(overlay)
            raise
        self._made.append((time.monotonic(), pathlib.Path(overlay)))
        shares = zip(prediction.labels, prediction.probabilities.tolist(), strict=True)
        return Shown(
            dict(shares),
            overlay,
            pictures.flow(prediction, self._classifier.model.preprocessing.bound),
            _timeline(prediction),
            summary(prediction),
        )

    def _prune(self) -> None:
        """Deletes what has been shown for long enough."""
        while self._made and time.monotonic() - self._made[0][0] > _KEPT_SECONDS:
            self._made.pop(0)[1].unlink(missing_ok=True)

    def _delete(self, path: pathlib.Path) -> None:
        inside = path.resolve().is_relative_to(self.folder.resolve())
        if inside and not path.is_symlink():
            path.unlink(missing_ok=True)


def summary(prediction: Prediction) -> str:
    """Length, processing time and warnings, in one line of plain text."""
    seconds = prediction.num_frames / prediction.rate
    took = sum(vars(prediction.timings).values())
    spent = ", ".join(f"{k} {v:.1f}" for k, v in vars(prediction.timings).items())
    name = os.path.basename(prediction.video)
    text = f"{name}: {seconds:.1f} s of video; processed in {took:.1f} s ({spent})"
    return "; ".join([text, *prediction.warnings])


def _timeline(prediction: Prediction) -> np.ndarray | None:
    if not prediction.parts:
        return None
    import matplotlib.image

    from stpn_jax.figures import prediction_figure

    png = prediction_figure.timeline(prediction.parts)
    pixels = matplotlib.image.imread(io.BytesIO(png))
    return np.round(255 * pixels[..., :3]).astype(np.uint8)


def page(service: Service, samples: dict[str, str]) -> Any:
    """The page in Gradio's terms; samples are paths of videos by name."""
    import gradio

    def uploaded(path: str | None) -> list[Any]:
        found = service.upload(path) if path else Failure("", "no file arrived")
        return [None, *_values(found)]

    def picked(name: str | None) -> list[Any]:
        if name not in samples:
            return _values(Failure(str(name), "there is no such sample"))
        return _values(service.predict(samples[name]))

    with gradio.Blocks(
        title="stpn_jax", analytics_enabled=False, delete_cache=(60, _KEPT_SECONDS)
    ) as blocks:
        gradio.Markdown("# What happens in this video?")
        upload, sample, outputs = _components(sorted(samples))
        private: dict[str, Any] = {"api_visibility": "private"}
        private |= {"concurrency_limit": 1, "concurrency_id": "network"}
        upload.upload(uploaded, upload, [upload, *outputs], **private)
        sample.input(picked, sample, outputs, **private)
    return blocks.queue(max_size=_QUEUE, api_open=False)


def _components(samples: list[str]) -> tuple[Any, Any, list[Any]]:
    """Places the upload, the choice of samples, and outputs in the order of _values."""
    import gradio

    with gradio.Row():
        with gradio.Column():
            upload = gradio.File(label="Drop a video", elem_id="upload")
            # Gradio's own method makes an empty file for each upload and leaves it. The
            # path was checked to be among the uploads.
            upload.preprocess = lambda payload: payload.path if payload else None
            sample = gradio.Dropdown(
                samples,
                value=None,
                label="or pick a sample",
                visible=bool(samples),
                elem_id="sample",
            )
            label = gradio.Label(num_top_classes=5, label="Classes", elem_id="classes")
            text = gradio.Textbox(label="About it", elem_id="summary")
        with gradio.Column():
            overlay = gradio.Video(
                label="Attention",
                elem_id="overlay",
                height=320,
                autoplay=True,
                loop=True,
            )
            download = ["download"]
            flow = gradio.Image(
                label="Flow as colours", elem_id="flow", height=240, buttons=download
            )
    drawn = gradio.Image(
        label="Timeline", visible=False, elem_id="timeline", buttons=download
    )
    return upload, sample, [label, overlay, flow, drawn, text]


def _values(found: Shown | Failure) -> list[Any]:
    """Values of the outputs."""
    import gradio

    if isinstance(found, Failure):
        name = os.path.basename(found.video)
        found = Shown({}, None, None, None, f"no prediction for {name}: {found.reason}")
    drawn = gradio.update(value=found.timeline, visible=found.timeline is not None)
    return [found.shares, found.overlay, found.flow, drawn, found.summary]


def main(
    arguments: Sequence[str] | None = None, prog: str = "python -m stpn_jax.app"
) -> int:
    """Serves the page until it is interrupted; returns the exit status."""
    return errors.guard(lambda: _serve(_parse(arguments, prog)))


def _serve(options: argparse.Namespace) -> None:
    import gradio

    classifier = Classifier.load(options.model, options.dtype, options.fast)
    samples = find_samples(options.samples)
    print("compiling, up to half a minute", flush=True)
    classifier.warm_up()
    with tempfile.TemporaryDirectory(prefix="stpn_jax_app_") as folder:
        os.environ["GRADIO_TEMP_DIR"] = folder
        service = Service(classifier, pathlib.Path(folder), options.limit_seconds)
        try:
            page(service, samples).launch(
                server_name=options.host,
                server_port=options.port,
                max_file_size=f"{options.limit_megabytes}mb",
                share=False,
                ssr_mode=False,
                enable_monitoring=False,
                footer_links=[],
                # The default theme loads its fonts from another server.
                theme=gradio.themes.Default(font="sans-serif", font_mono="monospace"),
            )
        except OSError as error:
            raise UsageError(" ".join(str(error).split())) from error


def find_samples(folder: str) -> dict[str, str]:
    """Videos below a folder by their name; UsageError if it has none."""
    if not folder:
        return {}
    videos, empty = discovery.find_videos([folder])
    if empty:
        raise UsageError(f"--samples={folder}: there is no video in it")
    return dict(zip(reporting.unique_names(videos), videos, strict=True))


def _parse(arguments: Sequence[str] | None, prog: str) -> argparse.Namespace:
    parser = command_line.Parser(prog=prog, description=__doc__.splitlines()[0])
    add = parser.add_argument
    parser.add_path("--model", required=True, help="folder of an exported network")
    parser.add_path("--samples", default="", help="folder of videos to pick from")
    add("--host", default="127.0.0.1", help="address to serve [this machine alone]")
    add("--port", type=whole(0, 65535), default=7860, help="[7860]")
    seconds = command_line.POSITIVE
    add("--limit_seconds", type=seconds, default=180.0, help="of a video [180]")
    add("--limit_megabytes", type=whole(1), default=100, help="of an upload [100]")
    add("--fast", action="store_true", help="fast flow, 1 crop, at most 3 snippets")
    add("--dtype", default="float32", choices=("float32", "bfloat16"))
    return parser.parse_args(arguments)
