"""Results as markdown."""

from stpn_jax.evaluation.scores import Metrics


def results(rows: dict[str, Metrics]) -> str:
    """A line a row: mean class accuracy, top-1, top-5, the groups, in percent."""
    groups = sorted({group for row in rows.values() for group in row.per_group})
    header = ["row", "mean class accuracy", "top-1", "top-5", *groups]
    lines = [header, ["---"] + ["---:"] * (len(header) - 1)]
    for name, row in rows.items():
        values = [row.mean_class_accuracy, row.top1, row.top5]
        values += [row.per_group[group] for group in groups]
        lines.append([name, *(f"{100 * value:.1f}" for value in values)])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
