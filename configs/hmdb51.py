"""HMDB51: 51 classes, three official splits.

configs/hmdb51.py              the paper's BN-Inception network (Table 7)
configs/hmdb51.py:lite0        EfficientNet-Lite0 at a size two cores can train
configs/hmdb51.py:lite0_224    EfficientNet-Lite0 at the paper's size

and the rows of the paper's tables (studies/tables.py), of each of these:
configs/hmdb51.py:table6_b, configs/hmdb51.py:lite0,table6_b.
"""

import ml_collections

from configs import variants
from studies import tables


def get_config(variant: str = "") -> ml_collections.ConfigDict:
    """The config of a variant."""
    name, row = tables.split(variant, ("lite0", "lite0_224"))
    config = variants.get_config("hmdb51", "data/hmdb51")
    config.stages.spatial.update(steps=2500, lr_milestones=(1000, 2000))
    config.stages.temporal.update(steps=7000, lr_milestones=(4000, 6000))
    if name:
        variants.use_lite0(config)
    if name == "lite0":
        config.data.data_dir = "data/hmdb51_170x128"
        variants.shrink(config, {"spatial": 500, "temporal": 800, "pyramid": 300})
    return tables.apply(config, row)
