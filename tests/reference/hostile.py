"""A hundred inputs that no honest user has: damaged, of another kind, endless, sly."""

import os
import pathlib
import socket
import zlib

import av
import numpy as np
from reference import toy, videos

SECRET = "it is known to nobody"

SLY_NAMES = (
    "-rf.mp4",
    "--out=elsewhere.mp4",
    "new\nline.mp4",
    "\x1b[2Jclear.mp4",
    "$(touch stolen).mp4",
    "; touch stolen;.mp4",
    "`touch stolen`.mp4",
    "%s%n%x.mp4",
    "\u202egpj.mp4",
    "é" * 100 + ".mp4",
    "a" * 240 + ".mp4",
    "..mp4",
    "...mp4",
    "CON.mp4",
    "[x]*?.mp4",
    "{a,b}.mp4",
    "concat:a|b.mp4",
    "http:.mp4",
    "\udce9.mp4",
    " .mp4",
)
"""Of files that are whole videos: each has to be answered."""

ADDRESSES = (
    "",
    "\0",
    "missing.mp4",
    "../missing.mp4",
    "/etc/passwd",
    "../../../../../../etc/passwd",
    "/dev/zero",
    "/dev/urandom",
    "/dev/stdin",
    "/proc/self/mem",
    "-",
    "file:whole.mp4",
    "file:///etc/passwd",
    "http://127.0.0.1:1/a.mp4",
    "rtsp://127.0.0.1:1/a",
    "tcp://127.0.0.1:1",
    "pipe:0",
    "concat:whole.mp4|whole.mp4",
    "subfile,,start,0,end,9,,:whole.mp4",
    "data:video/mp4;base64,AAAA",
    "lavfi:testsrc",
    "x" * 5000,
)
"""That lead nowhere, or where nobody should be led."""


def make(folder: pathlib.Path) -> tuple[list[str], list[str]]:
    """Writes the inputs into an empty folder.

    Returns:
        What cannot have a prediction, and what may have one.
    """
    (folder / "secret.txt").write_text(SECRET)
    whole = pathlib.Path(toy.write_clip(folder / "whole.mp4", count=16, step=1))
    other = pathlib.Path(toy.write_clip(folder / "whole.avi", count=16, step=1))
    bad = [*ADDRESSES, *_other_kinds(folder), *_no_files(folder), *_too_little(folder)]
    maybe = [str(whole), str(other), *_damaged(folder, whole), *_damaged(folder, other)]
    for name in SLY_NAMES:
        path = os.path.join(folder, name)
        pathlib.Path(path).write_bytes(whole.read_bytes())
        maybe.append(path)
    return bad, [*maybe, *_odd(folder)]


def _other_kinds(folder: pathlib.Path) -> list[str]:
    rng = np.random.default_rng(0)
    png = b"\x89PNG\r\n\x1a\n" + zlib.compress(b"0")
    secret = folder / "secret.txt"
    contents = {
        "empty.mp4": b"",
        "text.mp4": b"no video\n" * 999,
        "page.avi": b"<!doctype html><html><script>alert(1)</script></html>" * 9,
        "table.json.mp4": b'{"video": true}',
        "archive.mp4": b"PK\x03\x04" + bytes(99),
        "picture.mp4": png,
        "program.avi": b"\x7fELF" + bytes(999),
        "zeros.avi": bytes(1 << 20),
        "noise.avi": rng.bytes(1 << 20),
        "header.avi": b"RIFF\xff\xff\xff\xffAVI LIST",
        "box.mp4": b"\0\0\0\x18ftypisom",
        "boxes.mp4": b"\0\0\0\x08moov" * 99999,
        "deep.mp4": b"\x7f\xff\xff\xffmoov\x7f\xff\xff\xfftrak" * 999,
        "list.mp4": f"ffconcat version 1.0\nfile {secret}\n".encode(),
        "list.m3u8": f"#EXTM3U\n#EXTINF:1,\nfile://{secret}\n#EXT-X-ENDLIST\n".encode(),
        "list.mpd": b"<?xml version='1.0'?><MPD><Period/></MPD>",
        "script.sdp": b"v=0\nm=video 1 RTP/AVP 96\nc=IN IP4 127.0.0.1\n",
        "bomb.mkv": b"\x1aE\xdf\xa3" + b"\xff" * 4096,
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    with open(folder / "sparse.avi", "wb") as file:
        file.truncate(1 << 36)
    return [str(folder / name) for name in (*contents, "sparse.avi")]


def _no_files(folder: pathlib.Path) -> list[str]:
    (folder / "dangling.mp4").symlink_to(folder / "nowhere.mp4")
    (folder / "loop.mp4").symlink_to(folder / "loop.mp4")
    (folder / "zero.mp4").symlink_to("/dev/zero")
    (folder / "secret.mp4").symlink_to(folder / "secret.txt")
    os.mkfifo(folder / "pipe.mp4")
    (folder / "empty_folder.mp4").mkdir()
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(os.path.relpath(folder / "socket.mp4"))
    names = "dangling loop zero secret pipe empty_folder socket"
    return [str(folder / f"{name}.mp4") for name in names.split()]


def _too_little(folder: pathlib.Path) -> list[str]:
    """No frame, a single one, sound alone."""
    paths = [folder / "none.mp4", folder / "one.mp4", folder / "sound.avi"]
    with av.open(str(paths[0]), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.start_encoding()
    toy.write_clip(paths[1], count=1)
    videos.write_audio(paths[2])
    return list(map(str, paths))


def _damaged(folder: pathlib.Path, whole: pathlib.Path) -> list[str]:
    rng, data, paths = np.random.default_rng(1), whole.read_bytes(), []

    def add(name: str, content: bytes) -> None:
        paths.append(str(folder / f"{name}{whole.suffix}"))
        pathlib.Path(paths[-1]).write_bytes(content)

    for share in (0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99):
        add(f"cut_{share}", data[: int(share * len(data))])
    for count in (1, 10, 100, 1000):
        changed = np.frombuffer(data, np.uint8).copy()
        changed[rng.integers(0, len(data), count)] ^= 255
        add(f"flipped_{count}", changed.tobytes())
    add("doubled", data + data)
    add("headless", data[100:])
    return paths


def _odd(folder: pathlib.Path) -> list[str]:
    """Videos that are whole and strange."""
    sizes = {
        "thin": (2, 2),
        "wide": (4096, 2),
        "tall": (2, 2048),
        "large": (4096, 2160),
    }
    paths = []
    for name, (width, height) in sizes.items():
        frames = np.zeros((3, height, width, 3), np.uint8)
        paths.append(videos.write(folder / f"{name}.mp4", frames, "libx264"))
    ten = np.zeros((2, 48, 64, 3), np.uint8)
    paths.append(videos.write(folder / "gap.mp4", ten, "libx264", times=[0, 90_000]))
    return list(map(str, paths))
