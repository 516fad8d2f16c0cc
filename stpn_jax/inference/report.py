"""An answer as JSON has it, and the names of the files that belong to it."""

import pathlib
from collections.abc import Sequence
from typing import Any

from stpn_jax.inference import timeline
from stpn_jax.inference.predictions import Answer, Failure

_LONGEST_NAME = 100
"""Bytes of a file's name without its ending; most disks allow 255."""


def report(found: Answer | Failure) -> dict[str, Any]:
    """What the network says of a video, or why it says nothing."""
    if isinstance(found, Failure):
        return {"video": found.video, "error": found.reason}
    return _answer(found) | _timeline(found)


def _answer(found: Answer) -> dict[str, Any]:
    return {
        "video": found.video,
        "predictions": [
            {"label": label, "probability": round(float(probability), 6)}
            for label, probability in zip(
                found.labels, found.probabilities, strict=True
            )
        ],
        "frames": found.num_frames,
        "rate": round(found.rate, 3),
        "snippets": len(found.attention.centres),
        "warnings": list(found.warnings),
        "seconds": {name: round(s, 3) for name, s in vars(found.timings).items()},
    }


def _timeline(found: Answer) -> dict[str, Any]:
    """Parts and windows of a long video; nothing of a short one."""
    if not found.parts:
        return {}
    return {"parts": _spans(found.parts), "windows": _spans(found.windows)}


def _spans(
    found: Sequence[timeline.Part] | Sequence[timeline.Window],
) -> list[dict[str, Any]]:
    return [
        {
            "start": round(one.start, 3),
            "end": round(one.end, 3),
            "label": one.label,
            "probability": round(one.probability, 6),
        }
        for one in found
    ]


def unique_names(paths: Sequence[str]) -> list[str]:
    """Names for the files of each video: its own without the ending.

    Numbered where two share one; nothing in them leads to another folder.
    """
    names: dict[str, None] = {}
    for path in paths:
        stem, number = _harmless(pathlib.PurePosixPath(path).stem), 2
        name = stem
        while name in names:
            name, number = f"{stem}-{number}", number + 1
        names[name] = None
    return list(names)


def _harmless(stem: str) -> str:
    """A name that any disk takes: printable, short, no hidden file, no path."""
    clean = "".join(c if c.isprintable() and c not in "/\\" else "_" for c in stem)
    short = clean.encode()[:_LONGEST_NAME].decode(errors="ignore")
    return short.lstrip(".") or "video"
