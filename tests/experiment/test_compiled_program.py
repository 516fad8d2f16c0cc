"""What is read from the text of a compiled program, with numbers counted by hand."""

import types

import pytest

from stpn_jax.experiment import compile_estimate, compiled_program, tpu

# In the form of libtpu 0.0.42. In main memory is what has no S(n) in its layout.
TEXT = """\
HloModule jit_f, is_scheduled=true, input_output_alias={ {0}: (0, {}, may-alias), \
{1}: (2, {}, may-alias) }, entry_computation_layout={()->f32[]}

%sum (a: f32[], b: f32[]) -> f32[] {
  %a = f32[]{:T(128)} parameter(0)
  %b = f32[]{:T(128)} parameter(1)
  ROOT %add.1 = f32[]{:T(128)} add(%a, %b)
}

%fused (p: bf16[8,8], q: bf16[8,8]) -> f32[8] {
  %p = bf16[8,8]{1,0:T(8,128)(2,1)} parameter(0)
  %q = bf16[8,8]{1,0:T(8,128)(2,1)} parameter(1)
  %conv.1 = f32[8,8]{1,0:T(8,128)} convolution(%p, %q), dim_labels=bf_io->bf, \
metadata={op_name="jit(_fun)/shard_map/jvp(Net)/spatial/conv1/conv_general_dilated"}
  %zero = f32[]{:T(128)} constant(0)
  ROOT %reduce.1 = f32[8]{0:T(128)} reduce(%conv.1, %zero), to_apply=%sum
}

%body (c: (s32[], f32[8])) -> (s32[], f32[8]) {
  %c = (s32[]{:T(128)}, f32[8]{0:T(128)S(1)}) parameter(0)
  %i = s32[]{:T(128)} get-tuple-element(%c), index=0
  %x = f32[8]{0:T(128)S(1)} get-tuple-element(%c), index=1
  %copy.1 = f32[8]{0:T(128)S(1)} copy(%x), backend_config={"estimated_cycles":"10"}
  ROOT %t = (s32[]{:T(128)}, f32[8]{0:T(128)S(1)}) tuple(%i, %copy.1)
}

%condition (d: (s32[], f32[8])) -> pred[] {
  %d = (s32[]{:T(128)}, f32[8]{0:T(128)S(1)}) parameter(0)
  %j = s32[]{:T(128)} get-tuple-element(%d), index=0
  %limit = s32[]{:T(128)} constant(5)
  ROOT %lt = pred[]{:T(512)} compare(%j, %limit), direction=LT
}

ENTRY %main (x0: bf16[8,8], x1: bf16[8,8], x2: f32[64]) -> (f32[8], f32[64]) {
  %x0 = bf16[8,8]{1,0:T(8,128)(2,1)} parameter(0)
  %x1 = bf16[8,8]{1,0:T(8,128)(2,1)S(1)} parameter(1)
  %x2 = f32[64]{0:T(128)} parameter(2)
  %fusion.1 = f32[8]{0:T(128)S(1)} fusion(%x0, %x1), kind=kOutput, calls=%fused, \
metadata={op_name="jit(_fun)/shard_map/jvp(Net)/spatial/bn1/reduce_sum"}, \
backend_config={"window_config":{"estimated_cycles":"700"}}
  %start = (s32[]{:T(128)}, f32[8]{0:T(128)S(1)}) tuple(%i0, %fusion.1)
  %while.1 = (s32[]{:T(128)}, f32[8]{0:T(128)S(1)}) while(%start), \
condition=%condition, body=%body
  %all-reduce.1 = (f32[64]{0:T(128)}, s32[4]{0:T(128)}) all-reduce(%x2, %flags), \
replica_groups={{0,1}}, to_apply=%sum
  %g = f32[64]{0:T(128)} get-tuple-element(%all-reduce.1), index=0
  %scatter.1 = f32[64]{0:T(128)} select-and-scatter(%g, %g, %zero2), select=%sum
  %one = s32[]{:T(128)} add(%i0, %i0)
  ROOT %out = (f32[8]{0:T(128)S(1)}, f32[64]{0:T(128)}) tuple(%fusion.1, %scatter.1)
}
"""


@pytest.fixture
def program():
    return compiled_program.Program(TEXT)


def test_a_fusion_counts_as_its_convolution_and_a_loop_times_its_trips(program):
    cycles = compiled_program.cycles_by_kind(program)
    assert cycles == {"convolution": 700, "copy": 5 * 10}
    assert compiled_program.loop_factor(program) == 750 / 710
    assert program.unknown_loops == 0 and program.donated == 2


def test_trips_that_the_compiler_states_go_before_the_constant():
    stated = 'body=%body, backend_config={"known_trip_count":{"n":"7"}}'
    program = compiled_program.Program(TEXT.replace("body=%body", stated))
    assert compiled_program.cycles_by_kind(program)["copy"] == 7 * 10


def test_a_loop_of_unknown_length_is_counted_once_and_reported():
    text = TEXT.replace("s32[]{:T(128)} constant(5)", "s32[]{:T(128)} add(%j, %j)")
    program = compiled_program.Program(text)
    assert compiled_program.cycles_by_kind(program)["copy"] == 10
    assert program.unknown_loops == 1


def test_operations_without_an_estimate_leave_out_scalars(program):
    found = compiled_program.uncounted(program)
    assert found == {"all-reduce": 1, "select-and-scatter": 1}


def test_traffic_is_that_of_main_memory(program):
    by_name = {one.name: one for one, _ in program.executed}
    assert program.traffic(by_name["fusion.1"]) == 2 * 8 * 8  # x1 is in S(1)
    assert program.traffic(by_name["all-reduce.1"]) == 4 * 64 + 4 * 4 + 4 * 64
    assert program.traffic(by_name["copy.1"]) == 0


@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ("f32[2,3]{1,0:T(8,128)}", 24),
        ("pred[7]{0}", 7),
        ("bf16[]", 2),
        ("u8[3]", 3),
        ("(s64[2]{0}, /*index=1*/f8e4m3fn[4])", 20),
    ],
)
def test_sizes_of_shapes(shape, size):
    assert compiled_program.size(shape) == size


@pytest.mark.parametrize(
    ("name", "path", "pass_"),
    [
        (
            "jit(_fun)/shard_map/transpose(jvp(Net))/spatial/backbone/"
            "backbone.block/backbone._block/branch_0_fun/conv1/mul",
            "spatial/backbone/conv1/mul",
            "backward",
        ),
        (
            "jit(_fun)/shard_map/jvp(Net)/while/body/closed_call/a/fft",
            "a/fft",
            "forward",
        ),
        ("jit(_fun)/shard_map/psum", "psum", "update"),
        ("jit(program)/Net/dense/add", "Net/dense/add", "forward"),
    ],
)
def test_modules_of_operations(name, path, pass_):
    assert compiled_program.module_path(name) == (path, pass_)


@pytest.mark.parametrize(
    ("op_name", "kind"),
    [
        ("jvp(Net)/fusion/jit(fft)", "fft"),
        ("jvp(Net)/fusion/irfft", "fft"),
        ("jvp(Net)/dense/dot_general", "matrix product"),
    ],
)
def test_convolutions_that_the_compiler_makes_of_other_products(op_name, kind):
    text = TEXT.replace("jvp(Net)/spatial/conv1/conv_general_dilated", op_name)
    assert compiled_program.cycles_by_kind(compiled_program.Program(text))[kind] == 700


def test_the_step_is_the_longest_of_three_and_the_all_reduces():
    chip = tpu.Chip(1, bandwidth=1, peak=2, units=1, side=100, link=10)  # 100 MHz
    memory = types.SimpleNamespace(
        argument_size_in_bytes=100,
        output_size_in_bytes=50,
        alias_size_in_bytes=40,
        temp_size_in_bytes=7,
        generated_code_size_in_bytes=3,
    )
    compiled = types.SimpleNamespace(
        memory_analysis=lambda: memory,
        cost_analysis=lambda: {"flops": 710e6},
        as_text=lambda: TEXT,
    )
    found = compile_estimate.estimate(compiled, chip, chips=4)
    times = found.milliseconds
    assert found.bytes["total"] == 100 + 10 + 7 + 3
    assert found.collectives == {"all-reduce": {"count": 1, "bytes": 4 * 64 + 4 * 4}}
    assert times["cycles"] == pytest.approx(750 / 100e6 * 1e3)
    assert times["operations"] == pytest.approx(750e6 / 2e12 * 1e3)
    ring = 2 * 3 / 4 * 272 / 20e9
    assert times["all-reduce"] == pytest.approx(1e3 * ring)
    assert times["step"] == pytest.approx(times["operations"] + times["all-reduce"])
    printed = "\n".join(compile_estimate.lines(found, chip))
    assert "convolution 93 %, copy 7 %" in printed
    assert "spatial/bn1/reduce_sum" in printed
