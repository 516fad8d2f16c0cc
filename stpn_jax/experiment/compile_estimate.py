"""What a compiled program is estimated to cost on a chip: bytes, cycles, milliseconds.

    step = max(cycles / clock, traffic / bandwidth, operations / peak) + all-reduces

The cycles are the compiler's, the rest is counted from its text and the data sheet.
"""

import collections
import dataclasses
from typing import Any

from stpn_jax.experiment import compiled_program, tpu

DEAREST = 10
_GIB = 2**30


@dataclasses.dataclass(frozen=True)
class Estimate:
    """Of one program on one of several chips; the compiler's guess, not a measurement.

    Attributes:
        bytes: of the chip's memory: arguments, outputs (what is not in donated
            arguments), temporaries, code and total.
        operations: floating-point operations.
        traffic: bytes read from and written to memory, without padding.
        cycles: the compiler's, by kind of operation.
        fused: those of fusions; the others pad, copy and slice for the most part.
        dearest: operations with most cycles.
        uncounted: how many operations have no cycles, by opcode.
        unknown_loops: loops counted once, since their number of trips is not known.
        collectives: count and bytes, by opcode.
        donated: arrays of the arguments whose memory is used for results.
        milliseconds: by cycles, traffic and operations, of all-reduces, and of all.
    """

    bytes: dict[str, int]
    operations: float
    traffic: int
    cycles: dict[str, int]
    fused: int
    dearest: list[dict[str, Any]]
    uncounted: dict[str, int]
    unknown_loops: int
    collectives: dict[str, dict[str, int]]
    donated: int
    milliseconds: dict[str, float]


def estimate(compiled: Any, chip: tpu.Chip, chips: int) -> Estimate:
    """Reads a compiled program, such as jax.jit(f).lower(x).compile() gives."""
    cost = compiled.cost_analysis() or {}
    program = compiled_program.Program(compiled.as_text())
    cycles = compiled_program.cycles_by_kind(program)
    # XLA counts the operations of a loop's body once.
    operations = cost.get("flops", 0.0) * compiled_program.loop_factor(program)
    traffic = sum(times * program.traffic(one) for one, times in program.executed)
    sent = collectives(program)
    return Estimate(
        bytes=sizes(compiled),
        operations=operations,
        traffic=traffic,
        cycles=cycles,
        fused=sum(
            times * (one.cycles or 0)
            for one, times in program.executed
            if one.opcode == "fusion"
        ),
        dearest=dearest(program),
        uncounted=compiled_program.uncounted(program),
        unknown_loops=program.unknown_loops,
        collectives=sent,
        donated=program.donated,
        milliseconds=_milliseconds(
            sum(cycles.values()), traffic, operations, sent, chip, chips
        ),
    )


def sizes(compiled: Any) -> dict[str, int]:
    """Bytes of a chip's memory that a compiled program takes; see Estimate."""
    memory = compiled.memory_analysis()
    found = {
        "arguments": memory.argument_size_in_bytes,
        "outputs": memory.output_size_in_bytes - memory.alias_size_in_bytes,
        "temporaries": memory.temp_size_in_bytes,
        "code": memory.generated_code_size_in_bytes,
    }
    return found | {"total": sum(found.values())}


def _milliseconds(
    cycles: int,
    traffic: int,
    operations: float,
    sent: dict[str, dict[str, int]],
    chip: tpu.Chip,
    chips: int,
) -> dict[str, float]:
    """A ring that turns both ways has two ports of each chip."""
    reduced = sent.get("all-reduce", {}).get("bytes", 0)
    times = {
        "cycles": cycles / chip.clock / 1e6,
        "traffic": traffic / chip.bandwidth / 1e6,
        "operations": operations / chip.peak / 1e9,
    }
    ring = 2 * (chips - 1) / chips * reduced / (2 * chip.link) / 1e6
    return times | {"all-reduce": ring, "step": max(times.values()) + ring}


def dearest(program: compiled_program.Program) -> list[dict[str, Any]]:
    """The operations with most cycles: module path, pass, kind, cycles."""
    costs = [(one, times * (one.cycles or 0)) for one, times in program.executed]
    costs.sort(key=lambda item: -item[1])
    found = []
    for one, cycles in costs[:DEAREST]:
        path, direction = compiled_program.module_path(one.op_name)
        row = {"module": path, "pass": direction, "kind": program.kind(one)}
        found.append(row | {"cycles": cycles})
    return found


def collectives(program: compiled_program.Program) -> dict[str, dict[str, int]]:
    """Count and bytes of what the chips exchange, by opcode."""
    found: dict[str, dict[str, int]] = collections.defaultdict(
        lambda: {"count": 0, "bytes": 0}
    )
    for one, times in program.executed:
        opcode = one.opcode.removesuffix("-start")
        if opcode in compiled_program.COLLECTIVES:
            found[opcode]["count"] += times
            found[opcode]["bytes"] += times * compiled_program.size(one.shape)
    return dict(found)


def lines(found: Estimate, chip: tpu.Chip) -> list[str]:
    """The estimate for people."""
    times, total = found.milliseconds, max(1, sum(found.cycles.values()))
    parts = ", ".join(
        f"{name} {found.bytes[name] / 1e9:.3g}"
        for name in ("arguments", "outputs", "temporaries", "code")
    )
    share = found.bytes["total"] / (chip.memory * _GIB)
    kinds = ", ".join(f"{k} {100 * n / total:.0f} %" for k, n in found.cycles.items())
    missing = ", ".join(f"{count} {name}" for name, count in found.uncounted.items())
    result = [
        f"{found.bytes['total'] / 1e9:.3g} GB a chip, {100 * share:.0f} % of what a "
        f"program can use: {parts}",
        f"{times['step']:.3g} ms = the longest of cycles {times['cycles']:.3g}, memory "
        f"{times['traffic']:.3g} and operations {times['operations']:.3g}, then "
        f"all-reduces {times['all-reduce']:.3g}",
        f"{total / 1e6:.3g} M cycles ({found.fused / 1e6:.3g} in fusions): {kinds}",
        f"{found.operations / 1e9:.3g} GFLOP, {found.traffic / 1e9:.3g} GB read and "
        "written",
    ]
    for opcode, sent in found.collectives.items():
        result.append(f"{sent['count']} {opcode}, {sent['bytes'] / 1e6:.3g} MB")
    result.append(f"without an estimate: {missing or 'none'}")
    if found.unknown_loops:
        result.append(f"{found.unknown_loops} loops of unknown length, counted once")
    result.append("the dearest operations, M cycles:")
    for row in found.dearest:
        result.append(
            f"  {row['cycles'] / 1e6:7.3f}  {row['kind']:18s} {row['pass']:9s}"
            f"{row['module']}"
        )
    return result
