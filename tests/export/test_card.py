"""The model card as a page."""

import dataclasses

from export.test_artifact import LABELS, PREPROCESSING

from stpn_jax.export import writer


def test_every_entry_has_its_heading_and_its_values():
    page = writer.render(
        LABELS,
        dataclasses.replace(PREPROCESSING, size=(340, 256)),
        {
            "accuracy": {"pyramid": {"top1": 0.123456, "top5": 1}},
            "licence": "as the videos",
            "model": {"tau": (1, 10)},
        },
    )
    assert page.startswith(
        "# Model card\n\nTells 3 classes of videos apart: frames of 340"
    )
    assert "\n## Accuracy\n\n- pyramid\n  - top1: 0.1235\n  - top5: 1\n" in page
    assert "\n## Licence\n\nas the videos\n" in page
    assert page.endswith("- tau: 1, 10\n")
