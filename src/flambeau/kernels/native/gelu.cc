// GELU, exact and by tanh, and its gradient.
#include <algorithm>
#include <cstdint>

#include "buffers.h"
#include "pages.h"
#include "parallel.h"
#include "vectors.h"
#include "xla/ffi/api/ffi.h"

namespace flambeau {
namespace {

namespace ffi = xla::ffi;

constexpr float kRootOfHalf = 0.70710678118654752f, kDensity = 0.39894228040143268f;  // 1 / sqrt(2), 1 / sqrt(2 pi)
constexpr float kSlope = 1.5957691216057308f, kCubic = 0.044715f;                     // 2 sqrt(2 / pi)

FLAMBEAU_INLINE Floats exact(Floats x) { return x * 0.5f * (1.0f + error_function(x * kRootOfHalf)); }

FLAMBEAU_INLINE Floats exact_slope(Floats x) {
  return 0.5f * (1.0f + error_function(x * kRootOfHalf)) + x * (kDensity * exponential(-0.5f * x * x));
}

// (1 + tanh(u)) / 2 is 1 / (1 + exp(-2 u)).
FLAMBEAU_INLINE Floats by_tanh(Floats x) {
  return x * (1.0f / (1.0f + exponential(-kSlope * (x + kCubic * x * x * x))));
}

FLAMBEAU_INLINE Floats by_tanh_slope(Floats x) {
  const Floats share = 1.0f / (1.0f + exponential(-kSlope * (x + kCubic * x * x * x)));
  return share + x * (share * (1.0f - share)) * (kSlope * (1.0f + 3 * kCubic * x * x));
}

void apply(const float* x, int64_t size, bool tanh, float* y) {
  for (int64_t at = 0; at < size; at += kLanes) {
    const Floats value = load(x + at, size - at);
    store(y + at, tanh ? by_tanh(value) : exact(value), size - at);
  }
}

void pull_back(const float* x, const float* gradient, int64_t size, bool tanh, float* result) {
  for (int64_t at = 0; at < size; at += kLanes) {
    const Floats value = load(x + at, size - at);
    const Floats slope = tanh ? by_tanh_slope(value) : exact_slope(value);
    store(result + at, load(gradient + at, size - at) * slope, size - at);
  }
}

// Calls work(begin, end) for ranges that make up all elements.
template <typename Work>
void in_parts(ffi::ThreadPool& pool, int64_t size, const Work& work) {
  constexpr int64_t kWorthAThread = 20000;  // elements
  const int64_t threads = std::max<int64_t>(1, std::min<int64_t>(pool.num_threads(), size / kWorthAThread));
  const int64_t count = threads == 1 ? 1 : 4 * threads;
  const int64_t step = (size + count - 1) / count / kLanes * kLanes + kLanes;
  spread(pool, count, threads, [&](int index) {
    const int64_t begin = index * step, end = std::min(size, begin + step);
    if (begin < end) work(begin, end);
  });
}

ffi::Error gelu(ffi::ThreadPool pool, ffi::AnyBuffer x, ffi::Result<ffi::AnyBuffer> result, int64_t tanh) {
  const auto* from = floats(x);
  auto* to = floats(*result);
  in_large_pages(*result);
  in_parts(pool, x.element_count(),
           [&](int64_t begin, int64_t end) { apply(from + begin, end - begin, tanh, to + begin); });
  return ffi::Error::Success();
}

ffi::Error gelu_gradient(ffi::ThreadPool pool, ffi::AnyBuffer x, ffi::AnyBuffer gradient,
                         ffi::Result<ffi::AnyBuffer> result, int64_t tanh) {
  const auto* from = floats(x);
  const auto* given = floats(gradient);
  auto* to = floats(*result);
  in_large_pages(*result);
  in_parts(pool, x.element_count(), [&](int64_t begin, int64_t end) {
    pull_back(from + begin, given + begin, end - begin, tanh, to + begin);
  });
  return ffi::Error::Success();
}

}  // namespace
}  // namespace flambeau

#pragma GCC visibility push(default)

XLA_FFI_DEFINE_HANDLER_SYMBOL(flambeau_gelu, flambeau::gelu,
                              xla::ffi::Ffi::Bind()
                                  .Ctx<xla::ffi::ThreadPool>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Ret<xla::ffi::AnyBuffer>()
                                  .Attr<int64_t>("tanh"));

XLA_FFI_DEFINE_HANDLER_SYMBOL(flambeau_gelu_gradient, flambeau::gelu_gradient,
                              xla::ffi::Ffi::Bind()
                                  .Ctx<xla::ffi::ThreadPool>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Ret<xla::ffi::AnyBuffer>()
                                  .Attr<int64_t>("tanh"));

#pragma GCC visibility pop
