"""The report on every clip: report.json and the summary on the terminal."""

import dataclasses
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from etils import epath

from stpn_jax.datasets import listing

FILE = "report.json"

_FULL_SNIPPET = 30
"""Flows that 3 paths of L = 10 at tau = 10 span (section 3.2 of the paper)."""

_NAMED = 10
"""Clips of one kind that the summary names."""


@dataclasses.dataclass(frozen=True)
class ClipReport:
    """One clip.

    Attributes:
        name: path below the folder of videos.
        frames: number of decoded frames.
        flows: number of flows.
        size: width and height of the source in pixels.
        source_bytes: size of the video file, or of the images.
        source_digest: identifies their content.
        record_bytes: size of frames and flow as JPEG files.
        warnings: damage and irregularities of a clip that is used.
        error: why a clip is not used; empty if it is used.
    """

    name: str
    frames: int = 0
    flows: int = 0
    size: tuple[int, int] = (0, 0)
    source_bytes: int = 0
    source_digest: str = ""
    record_bytes: int = 0
    warnings: tuple[str, ...] = ()
    error: str = ""

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> "ClipReport":
        """The inverse of dataclasses.asdict; JSON may have made lists of tuples."""
        size, warnings = tuple(fields["size"]), tuple(fields["warnings"])
        return cls(**{**fields, "size": size, "warnings": warnings})


@dataclasses.dataclass(frozen=True)
class Report:
    """A whole run of prepare.

    Attributes:
        clips: the report on every clip of the listing.
        chosen: the clips and the files that are left out.
    """

    clips: Sequence[ClipReport]
    chosen: listing.Listing

    @property
    def used(self) -> list[ClipReport]:
        """Clips that became records."""
        return [clip for clip in self.clips if not clip.error]

    @property
    def skipped(self) -> list[ClipReport]:
        """Clips that could not be read."""
        return [clip for clip in self.clips if clip.error]

    @property
    def membership(self) -> dict[str, int]:
        """Place in the official splits -> number of records."""
        used = {clip.name for clip in self.used}
        listed = (clip for clip in self.chosen.clips if clip.name in used)
        return dict(sorted(Counter("_".join(c.membership) for c in listed).items()))

    def totals(self) -> dict[str, int]:
        """The counts at the head of report.json."""
        used = self.used
        return {
            "records": len(used),
            "frames": sum(clip.frames for clip in used),
            "flows": sum(clip.flows for clip in used),
            "record_bytes": sum(clip.record_bytes for clip in used),
            "skipped": len(self.skipped),
            "with_warnings": sum(bool(clip.warnings) for clip in used),
            f"shorter_than_{_FULL_SNIPPET}_flows": sum(
                clip.flows < _FULL_SNIPPET for clip in used
            ),
            "in_no_list": len(self.chosen.unlisted),
            "listed_but_absent": sum(self.chosen.absent.values()),
        }

    def write(self, path: epath.PathLike) -> None:
        """Writes report.json."""
        content = {
            "totals": self.totals(),
            "membership": self.membership,
            "in_no_list": [{"name": n, "reason": r} for n, r in self.chosen.unlisted],
            "clips": [dataclasses.asdict(clip) for clip in self.clips],
        }
        epath.Path(path).write_text(json.dumps(content, indent=1) + "\n")

    def summary(self) -> list[str]:
        """Lines for the terminal; report.json has the rest."""
        totals = self.totals()
        lines = [
            f"{totals['records']} clips, {totals['frames']} frames, {totals['flows']} "
            f"flows, {gigabytes(totals['record_bytes'])}",
            *(f"  {count:6d} {name}" for name, count in self.membership.items()),
        ]
        lines += _named("skipped", [(c.name, c.error) for c in self.skipped])
        warned = [(c.name, "; ".join(c.warnings)) for c in self.used if c.warnings]
        lines += _named("read with a warning", warned)
        lines += _named("left out", self.chosen.unlisted)
        if short := totals[f"shorter_than_{_FULL_SNIPPET}_flows"]:
            lines.append(
                f"{short} clips have fewer than {_FULL_SNIPPET} flows: they are kept, "
                "and tau is cut to what fits"
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
