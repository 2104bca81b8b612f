// Kernels beside what they replace, forward and backward through autograd, as training calls them.
#include <cmath>

#include <ATen/ATen.h>
#include <benchmark/benchmark.h>

#include "measure/machine.h"
#include "measure/memory.h"
#include "model/attention/attend.h"
#include "model/kernel/cpu_kernels.h"
#include "model/kernel/fused_attention.h"

namespace kablate {
namespace {

constexpr int kThreads = 2;

struct Inputs {
  Inputs(const benchmark::State& state, at::ScalarType type)
      : B(state.range(0)),
        T(state.range(2)),
        H(state.range(1)),
        D(state.range(3)),
        scale(1 / std::sqrt(static_cast<double>(D))),
        qkv(at::randn({B, T, 3 * H, D}).to(type).set_requires_grad(true)),
        above(at::randn({B, T, H, D}).to(type)) {}
  std::int64_t B, T, H, D;
  double scale;
  Tensor qkv, above;
};

// The time of forward and backward of `attend`: queries, keys and values packed to values [B, T, H, D].
template <typename Attend>
void run(benchmark::State& state, at::ScalarType type, const Attend& attend) {
  const Inputs inputs(state, type);
  for (auto _ : state) {
    inputs.qkv.mutable_grad().reset();
    attend(inputs).backward(inputs.above);
    benchmark::DoNotOptimize(inputs.qkv.grad().data_ptr());
  }
}

void tiles(benchmark::State& state, at::ScalarType type) {
  run(state, type, [](const Inputs& in) {
    return fused_attention({in.qkv, in.H, in.scale}, {}).values_BTHC;
  });
}

void tiles_on_avx2(benchmark::State& state, at::ScalarType type) {
  const auto* before = kernel::cpu_kernels();
  kernel::set_cpu_kernels(kernel::avx2_kernels());
  tiles(state, type);
  kernel::set_cpu_kernels(before);
}

void tiles_with_rows(benchmark::State& state, at::ScalarType type) {
  run(state, type, [](const Inputs& in) {
    const auto made =
        fused_attention({in.qkv, in.H, in.scale}, {.wanted = true, .by_head = false, .most = 8});
    return made.values_BTHC + made.rows.largest_BTk.sum();
  });
}

void written_out(benchmark::State& state, at::ScalarType type) {
  run(state, type, [&](const Inputs& in) {
    return attend_written_out({in.qkv, in.H, in.scale}, {.dtype = type}).values_BTHC;
  });
}

void library(benchmark::State& state, at::ScalarType type) {
  run(state, type, [](const Inputs& in) {
    const auto head = [&](int i) { return in.qkv.narrow(2, i * in.H, in.H).transpose(1, 2); };
    return at::scaled_dot_product_attention(head(0), head(1), head(2), {}, 0, /*is_causal=*/true, in.scale)
        .transpose(1, 2);
  });
}

void shapes(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"B", "H", "T", "D"})->Unit(benchmark::kMillisecond)->UseRealTime();
  for (const auto& shape : {std::vector<std::int64_t>{12, 4, 16, 32},
                            {12, 4, 64, 32},
                            {8, 6, 256, 64},
                            {8, 6, 512, 128},
                            {4, 12, 1024, 64},
                            {1, 12, 2048, 64}})
    bench->Args(shape);
}

void add(const char* name, void (*f)(benchmark::State&, at::ScalarType), at::ScalarType type) {
  shapes(benchmark::RegisterBenchmark(name, [=](benchmark::State& state) { f(state, type); }));
}

}  // namespace
}  // namespace kablate

int main(int argc, char** argv) {
  using namespace kablate;
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  count_tensor_memory();  // the allocator that training uses
  make_deterministic(kThreads);
  add("tiles/bfloat16", tiles, at::kBFloat16);
  add("library/bfloat16", library, at::kBFloat16);
  add("written_out/bfloat16", written_out, at::kBFloat16);
  add("tiles/float32", tiles, at::kFloat);
  add("library/float32", library, at::kFloat);
  add("written_out/float32", written_out, at::kFloat);
  add("tiles_with_rows/bfloat16", tiles_with_rows, at::kBFloat16);
  if (kernel::runs_avx2_kernels()) {
    add("tiles_on_avx2/bfloat16", tiles_on_avx2, at::kBFloat16);
    add("tiles_on_avx2/float32", tiles_on_avx2, at::kFloat);
  }
  benchmark::RunSpecifiedBenchmarks();
}
