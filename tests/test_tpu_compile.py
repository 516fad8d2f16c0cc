"""benchmarks.tpu_compile, with this machine's CPU in place of a TPU."""

import jax
import jax.numpy as jnp
import jaxtyping
import pytest

from benchmarks import tpu_compile, train_step
from stpn_jax.experiment import tpu


def test_the_peer_has_the_parameters_of_resnet50():
    """25,557,032 with 1000 classes, as torchvision's."""
    case = train_step.Case("spatial", "resnet50", "bfloat16", 1, 32)
    peer = tpu_compile.ResNet50(1000, jnp.bfloat16)
    batch = jax.eval_shape(lambda: train_step.made(case))
    variables = jax.eval_shape(peer.init, jax.random.key(0), batch)
    assert sum(x.size for x in jax.tree.leaves(variables["params"])) == 25_557_032


@pytest.mark.slow
def test_a_network_beside_its_floor(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    monkeypatch.setattr(tpu, "devices", lambda _: jax.devices())
    arguments = ["--backbones=tiny", "--batch=2", "--side=16", f"--text={tmp_path}"]
    tpu_compile.main(arguments)
    printed = capsys.readouterr().out
    assert "batch_norm='trained'): floor" in printed and "the dearest" in printed
    (text,) = tmp_path.iterdir()
    assert text.read_text().startswith("HloModule")
