"""How large and how tangled a checkout is: lines, functions, names, a flow stack's way.

    python -m benchmarks.structure --root=CHECKOUT --trace

lines      of every .py file in stpn_jax/, studies/ and configs/, as they are; also how
           many exceed 88 columns, for which the code is formatted.
functions  every def of these files, methods and nested ones each for itself. The length
           is end_lineno - lineno + 1: from the line of `def` to the last, docstring and
           nested functions included, decorators not.
names      stems of files at several places in stpn_jax/; __init__, __main__ aside.
trace      modules of stpn_jax/ that a flow stack passes from a video file to logits. In
           one process small videos are prepared by `stpn_jax.prepare`, in a thread, and
           configs/demo.py without its spatial stage is trained for a step a stage and
           tested by `stpn_jax.main`. A module counts where one of its functions, on any
           thread, has images in its arguments or returns or yields them before the
           results of the test are on disk; the report comes later and does not count.
           No list of modules is kept: images are known by sizes of their own. They are

           - arrays with height and width of the videos or the records side by side;
           - arrays of two or more axes of which the first or second is a multiple of
             the batch: a Batch and what a network makes of it. The way ends at logits:
             those, and probabilities, are none;
           - bytes in which a JPEG file begins, in an array or not;
           - tuples, lists, dicts and dataclasses that hold one of these.

           Arrays that JAX traces count after the first image of a command that NumPy or
           bytes hold: before it only shapes are estimated. Iterators, files and local
           variables are not searched. RGB frames go along: the pyramid needs them.
           Each module is printed with the first such function and its image.
"""

import argparse
import ast
import collections
import contextlib
import dataclasses
import inspect
import itertools
import os
import pathlib
import runpy
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

import cv2
import jax
import numpy as np

FOLDERS = ("stpn_jax", "studies", "configs")
COLUMNS, SHORT_FILE, LONG_FUNCTION = 88, 60, 60
VIDEO, RECORD = (74, 82), (73, 79)  # height and width
BATCH, CLASSES, FRAMES = 13, 3, 20
MPEG4 = cv2.VideoWriter.fourcc(*"mp4v")
CONFIG = f"""
from configs import demo
def get_config():
    config = demo.get_config()
    del config.stages["spatial"]
    config.stages.pyramid.init = ()
    for stage in config.stages.values():
        stage.update(steps=1, batch={BATCH})
    config.data.update(size={RECORD[::-1]}, data_dir="data", validation_fraction=0.0)
    config.evaluation.update(snippets=1, crops=1, frames=1, batch={BATCH})
    return config
"""


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--root", type=pathlib.Path, default=".", help="a checkout")
    parser.add_argument("--trace", action="store_true", help="takes minutes")
    parser.add_argument("--traced", type=pathlib.Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    root = options.root.resolve()
    if not (root / FOLDERS[0]).is_dir():
        parser.error(f"--root={root}: expected a checkout with {FOLDERS[0]}/")
    found = trace(root, options.traced) if options.traced else static(root)
    print("\n".join(found), flush=True)
    if options.trace:
        print(trace_elsewhere(root), end="")


def static(root: pathlib.Path) -> Iterator[str]:
    """What can be read from the files alone, as lines of text."""
    files = {name: sorted((root / name).rglob("*.py")) for name in FOLDERS}
    files["all"] = [file for group in files.values() for file in group]
    yield f"{'':10}{'lines':>9}{'over 88':>9}{'files':>7}{'median':>8}{'under 60':>10}"
    for name, group in files.items():
        texts = [file.read_text().splitlines() for file in group]
        sizes = [len(text) for text in texts]
        wide = sum(len(line) > COLUMNS for text in texts for line in text)
        short = sum(size < SHORT_FILE for size in sizes)
        middle = statistics.median(sizes or [0])
        yield f"{name:10}{sum(sizes):9}{wide:9}{len(sizes):7}{middle:8g}{short:10}"
    yield f"{'':10}{'functions':>9}{'median':>9}{'over 60':>9}"
    for name, group in files.items():
        sizes = [size for file in group for size, _ in functions(file)]
        share = sum(size > LONG_FUNCTION for size in sizes) / max(len(sizes), 1)
        middle = statistics.median(sizes or [0])
        yield f"{name:10}{len(sizes):9}{middle:9g}{share:>9.2%}"
    for file, (size, line) in ((f, one) for f in files["all"] for one in functions(f)):
        if size > LONG_FUNCTION:
            yield f"  {file.relative_to(root)}:{line} has {size} lines"
    twice = repeated_names(root / FOLDERS[0])
    yield f"file names at several places: {len(twice)}"
    yield from (f"  {name}: {', '.join(places)}" for name, places in twice.items())


def functions(file: pathlib.Path) -> Iterator[tuple[int, int]]:
    """Length and first line of every def in a file."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.end_lineno - node.lineno + 1, node.lineno


def repeated_names(package: pathlib.Path) -> dict[str, list[str]]:
    """Stem -> the files of that name, where there are several."""
    places: dict[str, list[str]] = collections.defaultdict(list)
    for file in sorted(package.rglob("*.py")):
        if file.stem not in ("__init__", "__main__"):
            places[file.stem].append(str(file.relative_to(package)))
    return {name: found for name, found in sorted(places.items()) if len(found) > 1}


def trace_elsewhere(root: pathlib.Path) -> str:
    """What `trace` prints in a process that imports the checkout and nothing else."""
    with tempfile.TemporaryDirectory() as folder:
        # -P: the folder of this file has modules that are named as others' are.
        command = [sys.executable, "-P", os.path.realpath(__file__), f"--root={root}"]
        env = os.environ | {"PYTHONPATH": str(root), "JAX_PLATFORMS": "cpu"}
        ended = subprocess.run(
            [*command, f"--traced={folder}"], env=env, cwd=folder, capture_output=True
        )
    if ended.returncode:
        raise SystemExit(ended.stderr.decode() + "error: the traced run failed")
    return ended.stdout.decode()


def trace(root: pathlib.Path, folder: pathlib.Path) -> Iterator[str]:
    """Runs a video's way in an empty folder and says which modules it passes."""
    write_videos(folder / "videos")
    (folder / "tiny.py").write_text(CONFIG)
    videos = ["--dataset=folder", "--videos=videos", "--data_dir=data", "--workers=1"]
    videos += [f"--size={RECORD[1]}x{RECORD[0]}"]
    watch = Watch(root / FOLDERS[0], folder / "run" / "results.json")
    with contextlib.redirect_stdout(sys.stderr):
        _command(watch, "stpn_jax.prepare", *videos)
        count = len(watch.touched)
        _command(watch, "stpn_jax.main", "--config=tiny.py", "--workdir=run")
    lines = [f"  {name:36} {seen}" for name, seen in watch.touched.items()]
    if str(VIDEO)[1:-1] not in "".join(lines[:1]) or not watch.end.exists():
        raise SystemExit("error: nothing was followed from decoding to results")
    yield f"modules that a flow stack passes, by first touch: {len(lines)}"
    yield from (f" from video to records: {count}", *lines[:count])
    yield from (f" from records to logits: {len(lines) - count} more", *lines[count:])


def write_videos(folder: pathlib.Path) -> None:
    """A moving pattern for training and one for the test, of each class."""
    height, width = VIDEO
    for number in range(2 * CLASSES):
        part = ("train", "test")[number // CLASSES]
        file = folder / part / f"class{number % CLASSES}" / f"clip{number}.avi"
        file.parent.mkdir(parents=True)
        picture = np.random.default_rng(number).integers(0, 255, (7, 8, 3), np.uint8)
        picture = picture.repeat(12, axis=0).repeat(12, axis=1)[:height, :width]
        video = cv2.VideoWriter(str(file), MPEG4, 25, (width, height))
        for moved in range(FRAMES):
            video.write(np.roll(picture, moved, axis=1))
        video.release()


def _command(watch: "Watch", module: str, *arguments: str) -> None:
    """Runs a module as `python -m` does, in this process and watched."""
    sys.argv = [module, *arguments]
    with watch, contextlib.suppress(SystemExit):
        runpy.run_module(module, run_name="__main__", alter_sys=True)


class Watch:
    """Notes which modules of a package have images, in a context, until a file is."""

    def __init__(self, package: pathlib.Path, end: pathlib.Path):
        self.touched: dict[str, str] = {}
        self.end = end
        self._package = f"{package}{os.sep}"
        self._begun = False

    def __enter__(self) -> None:
        self._begun = False
        threading.setprofile(self._inspect)
        sys.setprofile(self._inspect)

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)
        threading.setprofile(None)

    def _inspect(self, frame: FrameType, event: str, value: Any) -> None:
        name = frame.f_code.co_filename
        if event not in ("call", "return") or not name.startswith(self._package):
            return
        if (name := name.removeprefix(self._package)) in self.touched:
            return
        if event == "call":
            names, *stars, known = inspect.getargvalues(frame)
            value = [known.get(one) for one in (*names, *stars)]
        seen = image(value)
        self._begun |= isinstance(seen, bytes | np.ndarray)
        if seen is None or not self._begun or self.end.exists():
            return
        what = "JPEG" if isinstance(seen, bytes) else f"{seen.dtype}{list(seen.shape)}"
        self.touched.setdefault(name, f"{frame.f_code.co_name}: {what}")


def image(value: Any, depth: int = 4) -> bytes | np.ndarray | jax.Array | None:
    """The first image, as the head of this file says, that a value is or holds."""
    if isinstance(value, np.ndarray) and value.dtype == np.uint8 and value.ndim == 1:
        value = value.tobytes()
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value) if b"\xff\xd8\xff" in bytes(value) else None
    if isinstance(value, np.ndarray | jax.Array):
        return value if _is_image(value.shape) else None
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = [getattr(value, one.name, None) for one in dataclasses.fields(value)]
    value = list(value.values()) if isinstance(value, dict) else value
    if not isinstance(value, tuple | list) or not depth:
        return None
    held = (image(one, depth - 1) for one in value)
    return next((one for one in held if one is not None), None)


def _is_image(shape: tuple[int, ...]) -> bool:
    pairs = list(itertools.pairwise(shape))
    is_batch = len(shape) > 1 and any(n and n % BATCH == 0 for n in shape[:2])
    return (
        VIDEO in pairs
        or RECORD in pairs
        or (is_batch and pairs[-1] != (BATCH, CLASSES))
    )


if __name__ == "__main__":
    main()
