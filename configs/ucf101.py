"""UCF101: 101 classes, three official splits.

configs/ucf101.py              the paper's BN-Inception network (Tables 2, 6 and 7)
configs/ucf101.py:lite0        EfficientNet-Lite0 at a size two cores can train
configs/ucf101.py:lite0_224    EfficientNet-Lite0 at the paper's size

and the rows of the paper's tables (studies/tables.py), of each of these:
configs/ucf101.py:table6_b, configs/ucf101.py:lite0,table6_b.
"""

import ml_collections

from configs import variants
from studies import tables


def get_config(variant: str = "") -> ml_collections.ConfigDict:
    """The config of a variant."""
    name, row = tables.split(variant, ("lite0", "lite0_224"))
    config = variants.get_config("ucf101", "data/ucf101")
    if name:
        variants.use_lite0(config)
    if name == "lite0":
        config.data.data_dir = "data/ucf101_170x128"
        variants.shrink(config, {"spatial": 150, "temporal": 400, "pyramid": 150})
    return tables.apply(config, row)
