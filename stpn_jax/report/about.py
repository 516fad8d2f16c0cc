"""The section on what made the results: config, weights, versions."""

from collections.abc import Mapping

from stpn_jax.report.page import Listing, Numbers, Section


def section(
    config: str, weights: Mapping[str, str], versions: Mapping[str, str]
) -> Section:
    """Folded listings of the config and of the weights, and a table of versions.

    Args:
        config: as JSON.
        weights: what each stage that starts from files notes of them, as JSON.
        versions: which checkpoints, versions of libraries, and on what they ran.
    """
    listings = [Listing("config", config)]
    listings += [Listing(f"weights of {name}", text) for name, text in weights.items()]
    table = Numbers(("what", "version or value"), list(versions.items()))
    return Section("Config and versions", [*listings, table])
