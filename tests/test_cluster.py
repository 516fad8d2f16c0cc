"""Clusters are found by the variables that they set; missing ones are named."""

import pytest

from stpn_jax import cluster
from stpn_jax.utils.errors import UsageError

SLURM = {
    "SLURM_JOB_ID": "4242",
    "SLURM_NTASKS": "4",
    "SLURM_PROCID": "1",
    "SLURM_LOCALID": "1",
    "SLURM_STEP_NODELIST": "gpu[07-08]",
    "SLURM_STEP_NUM_NODES": "2",
}
OPEN_MPI = {
    "OMPI_MCA_orte_hnp_uri": "1531576320.0;tcp://10.96.0.1,10.148.0.1:34911",
    "OMPI_COMM_WORLD_SIZE": "4",
    "OMPI_COMM_WORLD_RANK": "3",
    "OMPI_COMM_WORLD_LOCAL_RANK": "1",
}
JOB_SET = {
    "KUBERNETES_SERVICE_HOST": "10.0.0.1",
    "JOB_COMPLETION_INDEX": "2",
    "JAX_COORDINATOR_ADDRESS": "stpn-train-0-0.stpn:1234",
    "JAX_NUM_PROCESSES": "4",
}
GKE_TPU = {"TPU_WORKER_ID": "0", "TPU_WORKER_HOSTNAMES": "a-0.a,a-1.a"}
TPU_VM = {"TPU_ACCELERATOR_TYPE": "v5litepod-16", "TPU_PROCESS_BOUNDS": "2,2,1"}


@pytest.mark.parametrize(
    ("environ", "place"),
    [
        ({}, None),
        ({"HOME": "/home/a"}, None),
        (SLURM, cluster.Place("slurm")),
        (SLURM | {"SLURM_NTASKS": "1"}, None),
        ({"SLURM_JOB_ID": "4242", "SLURM_NTASKS": "4"}, None),  # In sbatch, not srun.
        (OPEN_MPI, cluster.Place("ompi")),
        (OPEN_MPI | {"OMPI_COMM_WORLD_SIZE": "1"}, None),
        (JOB_SET, cluster.Place("given", "stpn-train-0-0.stpn:1234", 4, 2)),
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, None),
        (GKE_TPU, cluster.Place("gketpu")),
        ({"TPU_WORKER_HOSTNAMES": "localhost"}, None),
        (TPU_VM, cluster.Place("gcetpu")),
    ],
)
def test_clusters_are_found(environ, place):
    assert cluster.find(environ) == place


def test_flags_come_before_variables():
    found = cluster.find(SLURM, "here:1", 2, 1)
    assert found == cluster.Place("given", "here:1", 2, 1)
    assert cluster.find(JOB_SET, index=3).process == 3


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("here", 2, 0), "--coordinator=here: expected host:port"),
        (("", 2, 0), "--coordinator=: expected host:port"),
        (("here:port", 2, 0), "host:port"),
        (("here:1", 2, 2), "--process_id=2 of --num_processes=2"),
        (("here:1", 2, -1), "from 0 to one less"),
        (("here:1", 0, 0), "JAX_NUM_PROCESSES = ''"),
        (("here:1", 2, None), "JAX_PROCESS_ID = ''"),
    ],
)
def test_missing_and_wrong_values_are_named(flags, message):
    with pytest.raises(UsageError, match=message.replace("'", ".")):
        cluster.find({}, *flags)


def test_kinds_are_names_that_jax_knows():
    clusters = pytest.importorskip("jax._src.clusters")
    names = {kind.name for kind in clusters.ClusterEnv._cluster_types}
    assert {"slurm", "ompi", "gketpu", "gcetpu"} <= names
