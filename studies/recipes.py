"""Candidate recipes for small data: each stream alone, one thing changed at a time.

They are scored on folds of the training list (`python -m studies recipes`), never on
test videos. The first one of a table is the recipe before. Of each stream, changes that
gain a point or more over what they change are then tried together, and the recipe of
the best mean in validation becomes the default. Three classes are kept out of it all.
"""

import copy
from typing import Any

from studies.rows import (
    SEARCH_SEED,
    Change,
    Config,
    Row,
    Table,
    in_turn,
    keep,
    parametrised,
    row,
    values,
)

SPATIAL, TEMPORAL, TUNED = "spatial", "temporal", "tuned"
SEEDS = 2
# Rates of EfficientNet-Lite's parameters, from those at its end to those at its input.
FALLING = (
    ("^classifier", 5.0),
    (r"^\w+/backbone/(head|block1[3-5])/", 0.3),
    (r"^\w+/backbone/block([89]|1[0-2])/", 0.1),
    (r"^\w+/backbone/block[5-7]/", 0.03),
    (r"^\w+/backbone/", 0.0),
)
SLOW = (("^classifier", 5.0), (r"^\w+/backbone/", 0.1))
WIDER_SCALES = (1.0, 0.875, 0.75, 0.66, 0.5)


def spatial(**fields: Any) -> Change:
    """Sets fields of the image stream's stage."""
    return values("stages.spatial", **fields)


def temporal(**fields: Any) -> Change:
    """Sets fields of the flow stream's stage."""
    return values("stages.temporal", **fields)


def data(**fields: Any) -> Change:
    """Sets fields of what is read."""
    return values("data", **fields)


def lite(size: int) -> Change:
    """Another network of the family, whose weights are a package as Lite0's."""
    package = f"package:efficientnet-lite{size}"
    return values("model", backbone=f"efficientnet_lite{size}", weights=package)


def classifier(crops: int) -> Change:
    """The image stream's classifier alone, over cached maps of so many crops a video.

    Maps are made once for all recipes that see them: the time of the first counts it.
    """
    steps = {"steps": 1600, "lr_milestones": (960, 1360), "batch": 32}
    return spatial(cached_crops=crops, batch_norm="frozen", **steps)


@parametrised
def then_all(config: Config) -> None:
    """A second stage, in which all layers learn from where the first one ends."""
    stage = copy.deepcopy(config.stages[SPATIAL])
    stage.update(init=(SPATIAL,), cached_crops=0, batch=16, lr_multipliers=())
    stage.update(steps=300, lr_milestones=(180, 255), learning_rate=0.0005)
    config.stages[TUNED] = stage


AT_224 = in_turn(data(input_size=224, test_crop=112), classifier(8))
LARGE_RECORDS = data(
    size=(340, 256), crop_size=256, test_crop=224, data_dir="data/hmdb51_340x256"
)


def image(label: str, name: str, *changes: Change) -> Row:
    """A recipe of the image stream."""
    change = in_turn(keep(SPATIAL), *changes)
    return row(label, f"image_{name}", change, stages=(SPATIAL,))


def flow(label: str, name: str, *changes: Change, stages: tuple = (TEMPORAL,)) -> Row:
    """A recipe of the flow stream, over these stages."""
    change = in_turn(keep(*stages), *changes)
    return row(label, f"flow_{name}", change, stages=(TEMPORAL,))


IMAGE = Table(
    "Recipes of the image stream",
    (
        image("all layers, 112 pixels, 500 updates", "before"),
        image("classifier alone, 16 crops", "classifier", classifier(16)),
        image(
            "classifier alone, 160 pixels, 8 crops",
            "classifier160",
            data(input_size=160, test_crop=112),
            classifier(8),
        ),
        image("classifier alone, 224 pixels, 8 crops", "classifier224", AT_224),
        image(
            "224 pixels, 2 crops", "classifier224_2", AT_224, spatial(cached_crops=2)
        ),
        image(
            "224 pixels, label smoothing 0.1",
            "classifier224_smooth",
            AT_224,
            spatial(label_smoothing=0.1),
        ),
        image(
            "224 pixels, dropout 0.8",
            "classifier224_dropout",
            AT_224,
            spatial(dropout=0.8),
        ),
        image(
            "224 pixels, three times the rate",
            "classifier224_rate",
            AT_224,
            spatial(learning_rate=0.006),
        ),
        image("224 pixels, Lite1", "classifier224_lite1", AT_224, lite(1)),
        image("224 pixels, Lite2", "classifier224_lite2", AT_224, lite(2)),
        row(
            "classifier alone, then all layers",
            "image_then_all",
            in_turn(keep(SPATIAL), classifier(16), then_all()),
            stages=(TUNED,),
        ),
        image(
            "all layers, statistics frozen, backbone at a tenth",
            "slow",
            spatial(batch_norm="frozen", lr_multipliers=SLOW),
        ),
        image(
            "all layers, statistics frozen, rates falling",
            "falling",
            spatial(batch_norm="frozen", lr_multipliers=FALLING),
        ),
        image(
            "all layers, 250 updates",
            "half",
            spatial(steps=250, lr_milestones=(150, 210)),
        ),
        image("all layers, averaged parameters", "average", spatial(averaging=0.98)),
        image(
            "all layers, smaller crops",
            "crops",
            data(crop_scales=WIDER_SCALES, max_distort=2),
        ),
        image(
            "all layers, label smoothing 0.1", "smooth", spatial(label_smoothing=0.1)
        ),
    ),
    seeds=SEEDS,
    first_seed=SEARCH_SEED,
)
FLOW = Table(
    "Recipes of the flow stream",
    (
        flow("112 pixels, 800 updates", "before"),
        flow("400 updates", "half", temporal(steps=400, lr_milestones=(240, 340))),
        flow("1600 updates", "twice", temporal(steps=1600, lr_milestones=(960, 1360))),
        flow("averaged parameters", "average", temporal(averaging=0.98)),
        flow("label smoothing 0.1", "smooth", temporal(label_smoothing=0.1)),
        flow("dropout 0.8", "dropout", temporal(dropout=0.8)),
        flow("smaller crops", "crops", data(crop_scales=WIDER_SCALES, max_distort=2)),
        flow("160 pixels", "160", data(input_size=160, test_crop=112)),
        flow(
            "from the image stream",
            "from_image",
            temporal(init=(SPATIAL,)),
            stages=(SPATIAL, TEMPORAL),
        ),
    ),
    seeds=SEEDS,
    first_seed=SEARCH_SEED,
)
RECORDS = Table(
    "Larger records for the image stream",
    (
        image(
            "classifier alone, 224 pixels, 8 crops, 340x256",
            "classifier224_large",
            AT_224,
            LARGE_RECORDS,
        ),
    ),
    seeds=SEEDS,
    first_seed=SEARCH_SEED,
)
TABLES = {"image": IMAGE, "flow": FLOW, "records": RECORDS}
# Somebody's own videos, on which the choice is tested: of the classes in the order of
# official_splits.shuffled(classes, "kept out") the first with ten test clips of six
# recordings in split 1.
KEPT_OUT = ("brush_hair", "pick", "pour")
