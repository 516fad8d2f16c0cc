"""The parts of a long video as a coloured bar along its time."""

from collections.abc import Sequence

import matplotlib

from stpn_jax.figures import figures

_COLOURS = matplotlib.colormaps["tab20"]


def draw(parts: Sequence[tuple[float, float, str, float]]) -> bytes:
    """A PNG file; each label has a colour of its own, named below.

    Args:
        parts: start and end in seconds, label and its probability, which is the
            strength of the colour.
    """
    labels = list(dict.fromkeys(label for _, _, label, _ in parts))
    figure = figures.new(1.4 + 0.25 * ((len(labels) + 3) // 4), width=10.0)
    figure.set_layout_engine("none")  # It is cut to what is drawn.
    axes = figure.subplots()
    drawn = {}
    for start, end, label, probability in parts:
        colour = _COLOURS(labels.index(label) % _COLOURS.N)
        drawn[label] = axes.barh(
            0, end - start, left=start, color=colour, alpha=0.3 + 0.7 * probability
        )
    axes.set_xlim(parts[0][0], parts[-1][1])
    axes.set_yticks([])
    axes.set_xlabel("seconds")
    axes.legend(
        [bars[0] for bars in drawn.values()],
        [label.replace("$", r"\$") for label in drawn],
        loc="lower center",
        bbox_to_anchor=(0.5, 1.0),
        ncols=4,
        frameon=False,
    )
    return figures.png(figure, dpi=110, tight=True)
