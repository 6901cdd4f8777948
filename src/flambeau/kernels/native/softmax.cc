// Softmax of rows and its logarithm, and their gradients, which need the result only.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "buffers.h"
#include "pages.h"
#include "parallel.h"
#include "vectors.h"
#include "xla/ffi/api/ffi.h"

namespace flambeau {
namespace {

namespace ffi = xla::ffi;

constexpr int64_t kWorthAThread = 20000;  // elements
constexpr float kNothing = -std::numeric_limits<float>::infinity();

// Two sums at once: the processor begins an addition before the one before it has ended.
void apply(const float* x, int64_t width, bool log, float* y) {
  Floats most = all(kNothing), more = most;
  for (int64_t at = 0; at < width; at += 2 * kLanes) {
    most = larger(most, load(x + at, width - at, kNothing));
    if (at + kLanes < width) more = larger(more, load(x + at + kLanes, width - at - kLanes, kNothing));
  }
  const float top = largest(larger(most, more));
  Floats sums = all(0);
  for (int64_t at = 0; at < width; at += kLanes) {
    const Floats power = exponential(load(x + at, width - at, kNothing) - top);
    sums += power;
    if (!log) store(y + at, power, width - at);
  }
  const float total = sum(sums), by = log ? std::log(total) : 1 / total;
  for (int64_t at = 0; at < width; at += kLanes) {
    const int64_t count = width - at;
    store(y + at, log ? load(x + at, count) - top - by : load(y + at, count) * by, count);
  }
}

// With y the result and g its gradient: y (g - sum(g y)), or for the logarithm g - e^y sum(g).
void pull_back(const float* y, const float* gradient, int64_t width, bool log, float* result) {
  Floats sums = all(0), more = sums;
  const auto part = [&](int64_t at) {
    const Floats given = load(gradient + at, width - at);
    return log ? given : given * load(y + at, width - at);
  };
  for (int64_t at = 0; at < width; at += 2 * kLanes) {
    sums += part(at);
    if (at + kLanes < width) more += part(at + kLanes);
  }
  const float total = sum(sums + more);
  for (int64_t at = 0; at < width; at += kLanes) {
    const int64_t count = width - at;
    const Floats given = load(gradient + at, count), found = load(y + at, count);
    store(result + at, log ? given - exponential(found) * total : (given - total) * found, count);
  }
}

// Calls work(place of its first element) for all rows.
template <typename Work>
void each_row(ffi::ThreadPool& pool, ffi::AnyBuffer x, const Work& work) {
  const int64_t rows = x.dimensions()[0], width = x.dimensions()[1];
  const int64_t threads = std::min<int64_t>({pool.num_threads(), rows * width / kWorthAThread, rows});
  const int64_t count = threads < 2 ? 1 : std::min(rows, 4 * threads);
  spread(pool, count, threads, [&](int index) {
    const int64_t end = rows * (index + 1) / count;
    for (int64_t row = rows * index / count; row < end; ++row) work(row * width);
  });
}

ffi::Error softmax(ffi::ThreadPool pool, ffi::AnyBuffer x, ffi::Result<ffi::AnyBuffer> result, int64_t log) {
  const float* from = floats(x);
  in_large_pages(*result);
  float* to = floats(*result);
  const int64_t width = x.dimensions()[1];
  each_row(pool, x, [&](int64_t at) { apply(from + at, width, log != 0, to + at); });
  return ffi::Error::Success();
}

// (result of the softmax, gradient of it) -> gradient of x.
ffi::Error softmax_gradient(ffi::ThreadPool pool, ffi::AnyBuffer y, ffi::AnyBuffer gradient,
                            ffi::Result<ffi::AnyBuffer> result, int64_t log) {
  const float *from = floats(y), *given = floats(gradient);
  in_large_pages(*result);
  float* to = floats(*result);
  const int64_t width = y.dimensions()[1];
  each_row(pool, y, [&](int64_t at) { pull_back(from + at, given + at, width, log != 0, to + at); });
  return ffi::Error::Success();
}

}  // namespace
}  // namespace flambeau

#pragma GCC visibility push(default)

XLA_FFI_DEFINE_HANDLER_SYMBOL(flambeau_softmax, flambeau::softmax,
                              xla::ffi::Ffi::Bind()
                                  .Ctx<xla::ffi::ThreadPool>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Ret<xla::ffi::AnyBuffer>()
                                  .Attr<int64_t>("log"));

XLA_FFI_DEFINE_HANDLER_SYMBOL(flambeau_softmax_gradient, flambeau::softmax_gradient,
                              xla::ffi::Ffi::Bind()
                                  .Ctx<xla::ffi::ThreadPool>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Ret<xla::ffi::AnyBuffer>()
                                  .Attr<int64_t>("log"));

#pragma GCC visibility pop
