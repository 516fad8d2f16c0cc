"""The report on every clip: report.json and the summary on the terminal."""

import dataclasses
import json
from collections import Counter
from collections.abc import Sequence

from etils import epath

from stpn_jax.datasets import listing
from stpn_jax.utils import wording

FILE = "report.json"
_FULL_SNIPPET = 30  # flows: 3 paths of L = 10 at tau = 10 (section 3.2 of the paper)
_SHORT = f"shorter_than_{_FULL_SNIPPET}_flows"
_NAMED = 10  # clips of one kind that the summary names


@dataclasses.dataclass(frozen=True)
class ClipReport:
    """One clip: its source, its record, and what is wrong with it."""

    name: str  # path below the folder of videos
    frames: int = 0
    flows: int = 0
    size: tuple[int, int] = (0, 0)  # width and height of the source in pixels
    source_bytes: int = 0  # of the video file, or of the images
    source_digest: str = ""  # identifies their content
    record_bytes: int = 0  # of frames and flow as JPEG files
    warnings: tuple[str, ...] = ()  # damage and irregularities of a clip that is used
    error: str = ""  # why a clip is not used; empty if it is used


class Report:
    """A whole run of prepare.

    Attributes:
        used: name -> report of the clips that became records.
    """

    def __init__(self, clips: Sequence[ClipReport], chosen: listing.Listing):
        """Takes the report on every clip of a listing."""
        self.used = {clip.name: clip for clip in clips if not clip.error}
        self._clips, self._chosen = clips, chosen
        self._places = {c.name: "_".join(c.membership) for c in chosen.clips}
        places = Counter(self._places[name] for name in self.used)
        self._membership = dict(sorted(places.items()))
        used = self.used.values()
        self._totals = {
            "records": len(used),
            "frames": sum(clip.frames for clip in used),
            "flows": sum(clip.flows for clip in used),
            "record_bytes": sum(clip.record_bytes for clip in used),
            "skipped": len(clips) - len(used),
            "with_warnings": sum(bool(clip.warnings) for clip in used),
            _SHORT: sum(clip.flows < _FULL_SNIPPET for clip in used),
            "in_no_list": len(chosen.unlisted),
            "listed_but_absent": sum(chosen.absent.values()),
        }

    def write(self, path: epath.PathLike) -> None:
        """Writes report.json."""
        content = {
            "totals": self._totals,
            "membership": self._membership,
            "in_no_list": [{"name": n, "reason": r} for n, r in self._chosen.unlisted],
            "clips": [
                dataclasses.asdict(clip) | {"membership": self._places[clip.name]}
                for clip in self._clips
            ],
        }
        epath.Path(path).write_text(json.dumps(content, indent=1) + "\n")

    def summary(self) -> list[str]:
        """Lines for the terminal; report.json has the rest."""
        totals, used = self._totals, self.used.values()
        skipped = [(clip.name, clip.error) for clip in self._clips if clip.error]
        warned = [(clip.name, "; ".join(clip.warnings)) for clip in used]
        lines = [
            f"{wording.counted(totals['records'], 'clip')}, {totals['frames']} frames, "
            f"{totals['flows']} flows, {gigabytes(totals['record_bytes'])}",
            *(f"  {count:6d} {place}" for place, count in self._membership.items()),
            *_named("skipped", skipped),
            *_named("read with a warning", [one for one in warned if one[1]]),
            *_named("left out", self._chosen.unlisted),
        ]
        if totals[_SHORT]:
            lines.append(
                f"{wording.counted(totals[_SHORT], 'clip')} of fewer than "
                f"{_FULL_SNIPPET} flows: kept, and tau is cut to what fits"
            )
        return lines


def gigabytes(count: int | float) -> str:
    """A number of bytes as text."""
    unit, name = (1e9, "GB") if count >= 1e8 else (1e6, "MB")
    return f"{count / unit:.1f} {name}"


def _named(what: str, clips: Sequence[tuple[str, str]]) -> list[str]:
    if not clips:
        return []
    lines = [f"{len(clips)} {what}:"]
    lines += [f"  {name}: {reason}" for name, reason in clips[:_NAMED]]
    if len(clips) > _NAMED:
        lines.append(f"  and {len(clips) - _NAMED} more, all in {FILE}")
    return lines
