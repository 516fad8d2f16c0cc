"""A backbone of the user's own, with the layers of base.Base or without."""

import jax
import pytest
from flax import linen as nn
from reference import snippets

from configs import demo
from stpn_jax import config as configs
from stpn_jax.models import backbones, build
from stpn_jax.models.backbones import base

SIGNED = backbones.Normalisation(mean=(128.0,), std=(64.0,))


class Mine(base.Base):
    @nn.compact
    def __call__(self, x, train=False):  # [n y x c], c being 3 or 2L
        for i, width in enumerate((32, 64, 128)):
            x = self.conv(f"conv{i}", width, kernel=3, stride=2)(x)
            x = nn.relu(self.norm(f"norm{i}", is_first=i == 0)(x, train))
        return x


class Plain(nn.Module):
    options: base.BackboneOptions

    @nn.compact
    def __call__(self, x, train=False):
        x = nn.Conv(128, (8, 8), (8, 8), dtype=self.options.dtype, name="conv0")(x)
        return nn.relu(x)


def get_config(variant=""):
    config = demo.get_config(variant)
    config.model.update(backbone="mine", weights="none")
    return config


@pytest.mark.parametrize("module", (Mine, Plain))
def test_every_network_takes_it(module, monkeypatch):
    row = backbones.Backbone(module, channels=128, rgb=SIGNED, flow=SIGNED)
    monkeypatch.setitem(backbones.BACKBONES, "mine", row)
    config = configs.from_config_dict(get_config())
    for stage in config.stages:
        network = build.build(
            config.model, stage, classes=5, input_size=32, resize=False, axis_name=None
        )
        frames = 0 if stage.network == "temporal" else 1
        batch = snippets.batch(frames=frames, paths=stage.paths)
        outputs, variables = jax.eval_shape(
            network.init_with_output, jax.random.key(0), batch
        )
        assert outputs.logits.shape == (2, 5)
        for stream in {"spatial", "temporal"} & set(variables["params"]):
            assert "conv0" in variables["params"][stream]["backbone"]
