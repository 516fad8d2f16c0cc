"""The demo: synthetic videos whose classes need each component of the network.

configs/demo.py    spatial stream, temporal stream, pyramid

and the rows of the paper's tables (studies/tables.py): configs/demo.py:table4_stcb3.
"""

import ml_collections

from configs import variants
from studies import tables


def get_config(variant: str = "") -> ml_collections.ConfigDict:
    """The config of a variant; sizes were chosen on other seeds than those shown."""
    _, row = tables.split(variant)
    config = variants.get_config("folder", "runs/demo/data")
    config.data.update(
        size=(72, 72),
        crop_size=64,
        crop_scales=(1.0,),
        max_distort=0,
        corner_crops=False,
        input_size=64,
        tau=(10, 10),
        threads=2,
    )
    config.model.update(backbone="tiny", weights="none")
    config.model.temporal.width = 256
    config.model.attention.width = 256
    config.model.pyramid.width = 1024
    steps = {"spatial": 300, "temporal": 300, "pyramid": 400}
    for name, count in steps.items():
        config.stages[name].update(
            **variants.short_schedule(count),
            batch=32,
            learning_rate=0.01 if name == "pyramid" else 0.05,
            max_grad_norm=20.0,
            dropout=0.2,
            batch_norm="trained",
            lr_multipliers=(),
        )
    config.evaluation.update(snippets=2, crops=1, frames=1, centres="even", batch=32)
    config.run.update(log_every=20, validate_every=100, checkpoint_every=50)
    return tables.apply(config, row)
