"""The text of a program that XLA compiled for a TPU: what runs, and what it costs.

The compiler writes its own estimate of the cycles beside most operations. It ranks
operations; it is no clock.
"""

import collections
import dataclasses
import functools
import math
import re
from collections.abc import Iterator
from typing import NamedTuple

_INSTRUCTION = re.compile(r"^ +(ROOT )?%(\S+) = (.*?) ([a-z][a-z0-9-]*)\((.*)$")
_COMPUTATION = re.compile(r"^(ENTRY )?%(\S+) \(.*\) -> .*\{$")
_CALLED = re.compile(r"(calls|to_apply|body|condition|\w+_computation)=%([\w.-]+)")
_BRANCHES = re.compile(r"branch_computations=\{([^}]*)\}")
_CYCLES = re.compile(r'"estimated_cycles":"(\d+)"')
_TRIPS = re.compile(r'"known_trip_count":\{"n":"(\d+)"')
_NAME = re.compile(r'op_name="([^"]*)"')
_TARGET = re.compile(r'custom_call_target="([^"]*)"')
_ARRAY = re.compile(r"\b([a-z]+\d*[a-z0-9]*)\[([\d,]*)\](\{[^}]*\})?")

# They take no time of their own.
FREE = {
    "after-all",
    "bitcast",
    "constant",
    "get-tuple-element",
    "parameter",
    "partition-id",
    "replica-id",
    "tuple",
}
COLLECTIVES = (
    "all-reduce",
    "all-gather",
    "all-to-all",
    "collective-permute",
    "reduce-scatter",
)
# A fusion is of the first kind that is in it.
_KINDS = ("select-and-scatter", "reduce-window", "sort", "scatter", "gather", "reduce")
_MOVES = FREE | {
    "broadcast",
    "concatenate",
    "copy",
    "copy-start",
    "dynamic-slice",
    "dynamic-update-slice",
    "fusion",
    "pad",
    "reshape",
    "reverse",
    "slice",
    "transpose",
}


@dataclasses.dataclass(frozen=True)
class Instruction:
    """One line of a computation.

    Attributes:
        name: unique in the program.
        shape: its result's, with layout and memory.
        opcode: such as fusion or convolution.
        operands: names of what it reads.
        rest: the line behind the opcode: operands, attributes and the estimate.
    """

    name: str
    shape: str
    opcode: str
    operands: tuple[str, ...]
    rest: str

    @property
    def cycles(self) -> int | None:
        """The compiler's estimate, or None where it makes none."""
        found = _CYCLES.search(self.rest)
        return int(found[1]) if found else None

    @property
    def op_name(self) -> str:
        """Where it comes from in the traced function."""
        found = _NAME.search(self.rest)
        return found[1] if found else ""

    def called(self) -> dict[str, str]:
        """The computations it calls, by attribute."""
        return dict(_CALLED.findall(self.rest))


class Executed(NamedTuple):
    """An instruction, and how often the program runs it."""

    instruction: Instruction
    times: int


class Program:
    """A compiled program; `unknown_loops` counts loops without a known trip count."""

    def __init__(self, text: str):
        """Reads the text that `compiled.as_text()` gives."""
        self.computations: dict[str, list[Instruction]] = {}
        self.entry = ""
        self.unknown_loops = 0
        self.donated = len(re.findall(r"(?:may|must)-alias", text[: text.find("\n")]))
        inside = ""
        for line in text.splitlines():
            if head := _COMPUTATION.match(line):
                inside = head[2]
                self.computations[inside] = []
                self.entry = inside if head[1] else self.entry
            elif found := _INSTRUCTION.match(line):
                _, name, shape, opcode, rest = found.groups()
                operands = re.findall(r"%([\w.-]+)", rest.partition(")")[0])
                one = Instruction(name, shape, opcode, tuple(operands), rest)
                self.computations[inside].append(one)

    @functools.cached_property
    def executed(self) -> list[Executed]:
        """All that runs, but for what is free; bodies of loops times their trips."""
        return list(self._walk(self.entry, 1))

    def _walk(self, computation: str, times: int) -> Iterator[Executed]:
        for one in self.computations[computation]:
            called = one.called()
            if one.opcode == "while":
                yield from self._walk(called["body"], times * self._trips(one))
            elif one.opcode in ("call", "async-start"):
                yield from self._walk(next(iter(called.values())), times)
            elif one.opcode == "conditional":  # Any branch may run: all are counted.
                branches = _BRANCHES.search(one.rest)
                names = re.findall(r"%([\w.-]+)", branches[1] if branches else "")
                for name in names or called.values():
                    yield from self._walk(name, times)
            elif one.opcode not in FREE and not one.opcode.endswith("-done"):
                yield Executed(one, times)

    def _trips(self, loop: Instruction) -> int:
        """As the loop states them, or the constant its counter is compared with."""
        if known := _TRIPS.search(loop.rest):
            return int(known[1])
        condition = self.computations[loop.called()["condition"]]
        numbers = [
            int(one.rest.partition(")")[0])
            for one in condition
            if one.opcode == "constant" and one.shape.startswith("s32[]")
        ]
        if len(numbers) == 1:
            return numbers[0]
        self.unknown_loops += 1
        return 1

    def kind(self, one: Instruction) -> str:
        """What an instruction or the chief one of a fusion does."""
        inner = list(self._fused(one))
        for each in inner:
            if each.opcode in ("convolution", "dot", "fft"):
                return _product(each, one)
        opcodes = {each.opcode.removesuffix("-start") for each in inner}
        for name in (*COLLECTIVES, *_KINDS):
            if name in opcodes:
                return name
        if opcodes <= _MOVES:
            return "copy"
        if opcodes <= _MOVES | {"convert"}:
            return "conversion"
        return "custom-call" if "custom-call" in opcodes else "elementwise"

    def _fused(self, one: Instruction) -> Iterator[Instruction]:
        """The instruction, and those inside it if it is a fusion."""
        yield one
        if one.opcode == "fusion":
            for inner in self.computations[one.called()["calls"]]:
                yield from self._fused(inner)

    @functools.cached_property
    def shapes(self) -> dict[str, str]:
        """Shape of each instruction's result."""
        return {x.name: x.shape for part in self.computations.values() for x in part}

    def traffic(self, one: Instruction) -> int:
        """Bytes of the chip's main memory that it reads and writes, without padding."""
        texts = [one.shape, *(self.shapes.get(name, "") for name in one.operands)]
        return sum(size(text, main_memory=True) for text in texts)


def _product(inner: Instruction, outer: Instruction) -> str:
    name = inner.op_name or outer.op_name
    if inner.opcode == "fft" or re.search(r"\bi?r?fft\b", name):
        return "fft"
    return "matrix product" if "dot_general" in name else "convolution"


_SCALAR = 64  # bytes: what is smaller costs nothing, as loop counters and keys
_SIZES = {"pred": 1, "bf16": 2, "token": 0}


def size(shape: str, main_memory: bool = False) -> int:
    """Bytes of an array's shape, or of all in a tuple; in main memory alone if asked.

    A layout with S(n) is in another memory, such as the vector unit's.
    """
    total = 0
    for kind, sides, layout in _ARRAY.findall(shape):
        if main_memory and "S(" in layout:
            continue
        bits = re.search(r"\d+", kind)
        width = _SIZES.get(kind, max(1, int(bits[0]) // 8) if bits else 4)
        total += width * math.prod(int(side) for side in sides.split(",") if side)
    return total


def cycles_by_kind(program: Program) -> dict[str, int]:
    """Estimated cycles by kind of operation, the dearest first."""
    found: collections.Counter[str] = collections.Counter()
    for one, times in program.executed:
        if one.cycles:
            found[program.kind(one)] += times * one.cycles
    return dict(found.most_common())


def uncounted(program: Program) -> dict[str, int]:
    """How many operations on arrays the compiler has no estimate for, by opcode."""
    found: collections.Counter[str] = collections.Counter()
    for one, times in program.executed:
        if one.cycles is None and size(one.shape) > _SCALAR:
            target = _TARGET.search(one.rest)
            found[target[1] if target else one.opcode.removesuffix("-start")] += times
    return dict(found.most_common())


# Names of transformations and methods, among those of modules.
_WRAPPERS = re.compile(
    r"^(jit|pmap|shard_map|checkpoint|while|body|cond|closed_call|branch_\d+_fun)\b|\."
)


def module_path(op_name: str) -> tuple[str, str]:
    """Path of modules with the operation, and forward, backward or a step's update.

    jit(step)/transpose(jvp(Net))/spatial/conv1/mul -> spatial/conv1/mul, backward
    """
    parts = op_name.split("/")
    inside = [part for part in parts if "jvp(" in part]
    pass_ = "update" if "shard_map" in parts else "forward"
    if inside:
        pass_ = "backward" if "transpose(" in inside[0] else "forward"
    kept = [x for x in parts if "jvp(" not in x and not _WRAPPERS.search(x)]
    return "/".join(kept), pass_


def loop_factor(program: Program) -> float:
    """Cycles with every trip of the loops, over those with one trip of each."""
    costs = [(times, one.cycles or 0) for one, times in program.executed]
    once = sum(cycles for _, cycles in costs)
    return sum(times * cycles for times, cycles in costs) / once if once else 1.0
