"""What the config files share: changes of the recipe for other backbones and sizes.

Fields, their defaults and the reasons for them stand in stpn_jax/config.py.
"""

import dataclasses

from stpn_jax import config as configs
from stpn_jax import config_flag

WITHOUT_FIRST_BIAS = ("resnet50", "resnet152", "resnet152_caffe")


def get_config(dataset: str = "", data_dir: str = "") -> config_flag.ConfigDict:
    """The pyramid on BN-Inception, trained on these records."""
    data = configs.DataConfig(dataset, data_dir)  # type: ignore[arg-type]
    return config_flag.config_dict(configs.Config(data))


def stage(**fields: object) -> config_flag.ConfigDict:
    """One more stage; fields that have no default must be given."""
    defaults = {
        field.name: field.default
        for field in dataclasses.fields(configs.StageConfig)
        if field.default is not dataclasses.MISSING
    }
    current = {configs.current_name(name): value for name, value in fields.items()}
    return config_flag.ConfigDict(defaults | current, sort_keys=False)


def use_lite0(config: config_flag.ConfigDict) -> None:
    """EfficientNet-Lite0, whose ImageNet weights come with the installation.

    Its convolutions have no biases, so TSN's multipliers have little to act on.
    """
    for one in config.stages.values():
        one.lr_multipliers = ()
    config.model.backbone = "efficientnet_lite0"
    config.model.weights = "package:efficientnet-lite0"


def shrink(config: config_flag.ConfigDict, steps: dict[str, int]) -> None:
    """Sizes and steps for a machine with a few cores and no accelerator.

    With so few steps the streams need higher rates than TSN's, above all their new
    classifiers, and batch statistics of their own: with those of ImageNet, the flow
    stream dies within ten steps. The pyramid keeps the paper's rate and the streams'
    statistics.
    """
    config.data.update(
        size=(170, 128), crop_size=128, crop_scales=(1.0, 0.875, 0.75), input_size=112
    )
    config.data.threads = 4
    for name, count in steps.items():
        config.stages[name].update(batch=16, dropout=0.5, **short_schedule(count))
    for name in ("spatial", "temporal"):
        config.stages[name].update(
            learning_rate=0.002,
            batch_norm="trained",
            lr_multipliers=(("^classifier", 5.0),),
        )
    config.stages.pyramid.batch_norm = "frozen"
    config.evaluation.update(snippets=3, crops=2, frames=3, centres="even", batch=8)
    config.run.update(log_every=10, validate_every=100, checkpoint_every=50)


def short_schedule(steps: int) -> dict[str, object]:
    """So many steps, with the rate lowered at 60 and 85 percent of them."""
    return {"steps": steps, "lr_milestones": (steps * 6 // 10, steps * 85 // 100)}


def use_backbone(config: config_flag.ConfigDict, name: str) -> None:
    """Another backbone, from weights/NAME.pth unless the config trains from scratch.

    The schedules of section 4.1: VGG has ten times the rate of ResNet and half as many
    steps again.
    """
    config.model.backbone = name
    if name in WITHOUT_FIRST_BIAS:
        for one in config.stages.values():
            one.lr_multipliers = tuple(
                rule
                for rule in one.lr_multipliers
                if rule not in configs.FLOW_START[1:]
            )
    if config.model.weights != "none":
        config.model.weights = f"weights/{name}.pth"
    if name.startswith("vgg16"):
        pyramid = config.stages.pyramid
        third = pyramid.steps // 2
        pyramid.update(steps=3 * third, lr_milestones=(third, 2 * third))
        pyramid.learning_rate *= 10
