"""Config, weights and versions are on the page as they are."""

from stpn_jax.report import about


def test_everything_is_told():
    section = about.section("{config}", {"spatial": "{sha}"}, {"jax": "0.10"})
    config, weights, versions = section.blocks
    assert config.text == "{config}" and weights.text == "{sha}"
    assert "spatial" in weights.summary
    assert versions.header == ("what", "version or value")
    assert versions.rows == [("jax", "0.10")]
