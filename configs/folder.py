"""Videos of your own, one folder a class: EfficientNet-Lite0 from ImageNet.

    configs/folder.py              for two cores, records of 170x128 pixels
    configs/folder.py:lite0_224    for accelerators, records of 340x256 pixels

and the rows of the paper's tables (studies/tables.py), of each of these.
Steps and rates are those of configs/ucf101.py; more clips want more steps.
"""

import ml_collections

from configs import variants
from studies import tables


def get_config(variant: str = "") -> ml_collections.ConfigDict:
    """The config of a variant; --config.data.data_dir names the records."""
    name, row = tables.split(variant, ("lite0_224",))
    config = variants.get_config("folder", "data/mine")
    variants.use_lite0(config)
    if not name:
        variants.shrink(config, {"spatial": 150, "temporal": 400, "pyramid": 150})
    return tables.apply(config, row)
