"""What becomes of damaged video files: skipped with a reason, or read with a warning?

    python -m benchmarks.damaged_clips --clips=VIDEOS

Whole clips are damaged in many ways and decoded in a process of their own with a limit
of time and memory. A clip that is read without a warning is compared with the whole
one: what differs was lost silently. Damage that changes pixels and nothing that a
codec can check stays silent in any decoder, and Matroska is read on from the next whole
cluster without a word; the table says how much there is.
"""

import argparse
import collections
import concurrent.futures
import dataclasses
import fractions
import itertools
import json
import multiprocessing
import pathlib
import resource
import sys
import tempfile
from collections.abc import Callable, Iterator

import av
import numpy as np
import tqdm

from stpn_jax.video import decoding, imaging

CODECS = {".avi": "", ".mp4": "libx264", ".mkv": "mpeg4", ".webm": "libvpx-vp9"}
_LENGTH = 60  # frames of a clip that is encoded anew
_SECONDS = 120
_MEMORY = 6 << 30
_VISIBLE = 1.0  # grey levels of mean difference

Damage = Callable[[bytes, bytes, np.random.Generator], bytes]


def _flips(count: int, within: int | None = None) -> Damage:
    def damage(data: bytes, _: bytes, rng: np.random.Generator) -> bytes:
        changed = np.frombuffer(data, np.uint8).copy()
        places = rng.integers(0, min(within or len(data), len(data)), count)
        changed[places] ^= np.uint8(1) << rng.integers(0, 8, count, np.uint8)
        return changed.tobytes()

    return damage


def _hole(share: float, fill: bytes | None) -> Damage:
    """A part of a file as zeros, or missing."""

    def damage(data: bytes, _: bytes, rng: np.random.Generator) -> bytes:
        size = max(1, int(len(data) * share))
        start = int(rng.integers(0, max(1, len(data) - size)))
        inside = b"" if fill is None else fill * size
        return data[:start] + inside + data[start + size :]

    return damage


def _start(other: bytes, size: int) -> bytes:
    """Of a clip; less where that would be the whole of a small one."""
    return other[: min(size, len(other) // 2)]


def _other_header(size: int) -> Damage:
    def damage(data: bytes, other: bytes, _: np.random.Generator) -> bytes:
        start = _start(other, size)
        return start + data[len(start) :]

    return damage


def _cut(share: float) -> Damage:
    return lambda data, _, __: data[: int(len(data) * share)]


DAMAGES: dict[str, Damage] = {
    "empty": lambda data, _, __: b"",
    **{f"cut to {share:.1%}": _cut(share) for share in (0.001, 0.05, 0.5, 0.9, 0.995)},
    **{f"{count} bits flipped": _flips(count) for count in (1, 10, 100, 1000)},
    "10 bits of the first 512 bytes": _flips(10, 512),
    "100 bits of the first 4 KiB": _flips(100, 4096),
    "1 % zeroed": _hole(0.01, b"\0"),
    "20 % zeroed": _hole(0.2, b"\0"),
    "1 % missing": _hole(0.01, None),
    "20 % missing": _hole(0.2, None),
    "all zeros": lambda data, _, __: bytes(len(data)),
    "4 KiB of another clip before it": lambda data, other, _: (
        _start(other, 4096) + data
    ),
    "first 256 bytes of another clip": _other_header(256),
    "first 4 KiB of another clip": _other_header(4096),
    "second half of another clip": (
        lambda data, other, _: data[: len(data) // 2] + other[len(other) // 2 :]
    ),
}


@dataclasses.dataclass
class Outcome:
    """What became of a damaged clip.

    Attributes:
        kind: skipped, warned, whole (as before the damage), silent, crash or hang.
        details: the reason, the warnings, or what differs silently.
    """

    kind: str
    details: str


def main() -> int:
    options = _parse()
    rng = np.random.default_rng(options.seed)
    paths = sorted(p for p in options.clips.rglob("*") if p.is_file())
    if not paths:
        print(f"error: no files in {options.clips}", file=sys.stderr)
        return 2
    chosen = [paths[i] for i in rng.permutation(len(paths))[: options.count]]
    table: dict[str, collections.Counter[str]] = collections.defaultdict(
        collections.Counter
    )
    rows = []
    with tempfile.TemporaryDirectory() as folder, _Worker() as worker:
        whole = list(_whole_clips(chosen, options.containers, pathlib.Path(folder)))
        others = whole[1:] + whole[:1]
        cases = list(itertools.product(zip(whole, others, strict=True), DAMAGES))
        for (path, other), name in tqdm.tqdm(cases, disable=None):
            data = DAMAGES[name](path.read_bytes(), other.read_bytes(), rng)
            damaged = path.with_name(f"damaged{path.suffix}")
            damaged.write_bytes(data)
            outcome = worker.judge(damaged, path)
            table[name][outcome.kind] += 1
            rows.append([path.name, name, *dataclasses.astuple(outcome)])
    kinds = sorted({kind for counts in table.values() for kind in counts})
    print(f"{'':34s}" + "".join(f"{kind:>9s}" for kind in kinds))
    for name, counts in table.items():
        print(f"{name:34s}" + "".join(f"{counts[kind]:9d}" for kind in kinds))
    total = sum(table.values(), collections.Counter())
    print(f"{f'all {len(rows)}':34s}" + "".join(f"{total[kind]:9d}" for kind in kinds))
    for row in rows:
        if row[2] in ("silent", "crash", "hang"):
            print(" | ".join(row))
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")
    return 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=pathlib.Path, required=True)
    parser.add_argument("--count", type=int, default=6, help="of clips")
    parser.add_argument(
        "--containers",
        nargs="+",
        default=list(CODECS),
        help="each clip is encoded anew for; .avi takes it as it is",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=pathlib.Path, help="file for every outcome")
    return parser.parse_args()


def _whole_clips(
    paths: list[pathlib.Path], containers: list[str], folder: pathlib.Path
) -> Iterator[pathlib.Path]:
    """Each clip in each container, those of one container side by side."""
    for container, path in itertools.product(containers, paths):
        name = folder / f"{path.stem[:60]}{container}"
        if container == path.suffix:
            name.write_bytes(path.read_bytes())
        else:
            _encode(path, name, CODECS[container] or "mpeg4")
        yield name


def _encode(path: pathlib.Path, name: pathlib.Path, codec: str) -> None:
    frames = list(itertools.islice(decoding.Video(path), _LENGTH))
    height, width = (side // 2 * 2 for side in frames[0].shape[:2])
    with av.open(str(name), "w") as container:
        stream = container.add_stream(codec, rate=fractions.Fraction(25))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for image in frames:
            cropped = np.ascontiguousarray(image[:height, :width])
            frame = av.VideoFrame.from_ndarray(cropped, format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


class _Worker:
    """A process that decodes, replaced when it dies or does not come back."""

    def __enter__(self) -> "_Worker":
        self._start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop()

    def judge(self, damaged: pathlib.Path, whole: pathlib.Path) -> Outcome:
        future = self._executor.submit(_judge, str(damaged), str(whole))
        try:
            return future.result(_SECONDS)
        except concurrent.futures.TimeoutError:
            outcome = Outcome("hang", f"more than {_SECONDS} s")
        except Exception as error:
            outcome = Outcome("crash", repr(error))
        self._stop()
        self._start()
        return outcome

    def _start(self) -> None:
        self._executor = concurrent.futures.ProcessPoolExecutor(
            1, multiprocessing.get_context("spawn"), _limit_memory
        )

    def _stop(self) -> None:
        for process in list((self._executor._processes or {}).values()):
            process.kill()
        self._executor.shutdown(wait=True, cancel_futures=True)


def _limit_memory() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))


def _judge(damaged: str, whole: str) -> Outcome:
    source = decoding.Video(damaged)
    try:
        found = [_small(frame) for frame in source]
    except decoding.VideoError as error:
        return Outcome("skipped", str(error))
    if source.warnings:
        return Outcome("warned", "; ".join(source.warnings))
    expected = [_small(frame) for frame in decoding.Video(whole)]
    if len(found) != len(expected):
        return Outcome("silent", f"{len(found)} of {len(expected)} frames")
    pairs = zip(found, expected, strict=True)
    differences = np.array([np.abs(f - e).mean() for f, e in pairs])
    visible = int((differences > _VISIBLE).sum())
    if visible:
        details = f"{visible} of {len(found)} frames differ, by {differences.max():.1f}"
        return Outcome("silent", details)
    return Outcome("whole", "")


def _small(frame: decoding.Frame) -> np.ndarray:
    return imaging.resize(frame, (170, 128)).astype(np.int16)


if __name__ == "__main__":
    sys.exit(main())
