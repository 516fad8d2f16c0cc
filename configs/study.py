"""The study of RESULTS.md: what each component is worth, on small machines.

configs/study.py               that of HMDB51
configs/study.py:hmdb51        21 classes of HMDB51: levels over frozen streams
configs/study.py:ucf101        9 classes of UCF101, the same way: an easier set
configs/study.py:made          synthetic videos, all trained together

each alone and with a variant of studies/tables.py:
configs/study.py:made,whole_one_path, configs/study.py:hmdb51,table6_b.
"""

import ml_collections

from configs import demo, variants
from studies import tables

Config = ml_collections.ConfigDict
SETS = ("hmdb51", "ucf101", "made")
# Of levels over frozen streams, by stage and its own level's operator: the best mean in
# validation over the variants that have it, of 0.0003, 0.001, 0.003 and 0.01. No
# variant of the study has the last of the first two lines: these are as STCB's.
OWN_LEVEL = {"pyramid": "pyramid", "paths": "temporal", "attended": "attention"}
RATES = {
    "pyramid": {"concatenation": 3e-4, "sum": 3e-3, "stcb": 1e-3, "bilinear": 1e-3},
    "paths": {"concatenation": 3e-4, "sum": 1e-2, "stcb": 3e-3, "product": 3e-3},
    "attended": {"concatenation": 1e-2, "sum": 3e-4, "stcb": 3e-4},
}


def get_config(variant: str = "") -> Config:
    """The config of a data set, with a variant of the tables behind a comma."""
    name, row = tables.split(variant, SETS)
    config = synthetic() if name == "made" else real(name or "hmdb51")
    tables.apply(config, row)
    for key, stage in config.stages.items():
        if stage.cached_crops and key in OWN_LEVEL:
            kind = config.model[OWN_LEVEL[key]].kind
            stage.learning_rate = RATES[key][kind]
    return config


def real(name: str) -> Config:
    """Streams as in configs/hmdb51.py:lite0; then the levels alone.

    Nothing is held out: rates come from a hyperparameter search on a quarter of the
    training groups with another seed (`python -m studies hmdb51 --choose`).
    """
    config = variants.get_config(name, f"data/{name}_170x128")
    config.data.validation_fraction = 0.0
    variants.use_lite0(config)
    steps = {"hmdb51": (500, 800), "ucf101": (150, 400)}[name]
    names = ("spatial", "temporal")
    variants.shrink(config, dict(zip(names, steps, strict=True)) | {"pyramid": 400})
    config.stages.pyramid.update(
        batch=32, learning_rate=0.01, lr_milestones=(240, 340), cached_crops=8
    )
    config.run.update(validate_every=0, checkpoint_every=200, checkpoints=1)
    return config


def synthetic() -> Config:
    """configs/demo.py; on five training videos a class no group is saturated."""
    config = demo.get_config()
    config.data.update(data_dir="data/study_made", validation_fraction=0.0)
    config.run.update(validate_every=0, checkpoint_every=100, checkpoints=1)
    return config
