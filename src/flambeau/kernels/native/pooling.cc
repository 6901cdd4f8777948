// The gradient of max pooling by windows of 2 x 2 that lie side by side: it goes to the first largest element of each.
#include <algorithm>
#include <cstdint>

#include "parallel.h"
#include "workspace.h"
#include "xla/ffi/api/ffi.h"

namespace flambeau {
namespace {

namespace ffi = xla::ffi;

// The loops are without branches, so the compiler makes vector instructions of them.

// All bits set, or none.
inline int32_t mask(bool chosen) { return -static_cast<int32_t>(chosen); }

// Of each pair of neighbors the larger one, and whether it is the second. A NaN stays, and nothing is larger.
void larger_of_pairs(const float* x, int64_t count, float* best, int32_t* second) {
  for (int64_t at = 0; at < count; ++at) {
    const float left = x[2 * at], right = x[2 * at + 1];
    const bool larger = right > left;
    second[at] = mask(larger);
    best[at] = larger || right != right ? right : left;
  }
}

// Each gradient goes to the upper or the lower row, whichever is larger there. Floats are moved as their bits.
void split_to_rows(const float* best, const int32_t* gradient, int64_t rows, int64_t width, int32_t* split) {
  for (int64_t row = 0; row < rows; ++row, best += 2 * width, split += 2 * width, gradient += width) {
    for (int64_t at = 0; at < width; ++at) {
      const int32_t lower = mask(best[width + at] > best[at]);
      split[at] = gradient[at] & ~lower;
      split[width + at] = gradient[at] & lower;
    }
  }
}

// Each gradient goes to the first or the second of a pair of neighbors.
void split_to_pairs(const int32_t* split, const int32_t* second, int64_t count, int32_t* result) {
  for (int64_t at = 0; at < count; ++at) {
    result[2 * at] = split[at] & ~second[at];
    result[2 * at + 1] = split[at] & second[at];
  }
}

// (x, gradient) -> gradient with respect to x, for x (..., height, width) of even width.
ffi::Error max_pooling(ffi::ThreadPool pool, ffi::AnyBuffer x, ffi::AnyBuffer gradient,
                       ffi::Result<ffi::AnyBuffer> result) {
  constexpr int64_t kWorthAThread = 200000;  // elements
  const auto sizes = x.dimensions();
  const int64_t height = sizes[sizes.size() - 2], width = sizes[sizes.size() - 1] / 2, plane = height * width;
  const int64_t planes = static_cast<int64_t>(x.element_count()) / (2 * plane), rows = height / 2;
  const int64_t wanted = static_cast<int64_t>(x.element_count()) / kWorthAThread;
  const int threads = static_cast<int>(std::max<int64_t>(1, std::min({wanted, planes, pool.num_threads()})));
  const auto* from = static_cast<const float*>(x.untyped_data());
  const auto* given = static_cast<const int32_t*>(gradient.untyped_data());
  auto* to = static_cast<int32_t*>(result->untyped_data());
  Workspace space(threads * 3 * plane * sizeof(float));
  auto* shared = reinterpret_cast<int32_t*>(space.data());
  spread(pool, threads, threads, [&](int index) {
    int32_t* second = shared + index * 3 * plane;
    int32_t* split = second + plane;
    float* best = reinterpret_cast<float*>(split + plane);
    if (height % 2) std::fill(split + (height - 1) * width, split + plane, 0);  // the last row is in no window
    for (int64_t at = planes * index / threads; at < planes * (index + 1) / threads; ++at) {
      larger_of_pairs(from + at * 2 * plane, plane, best, second);
      split_to_rows(best, given + at * rows * width, rows, width, split);
      split_to_pairs(split, second, plane, to + at * 2 * plane);
    }
  });
  return ffi::Error::Success();
}

}  // namespace
}  // namespace flambeau

#pragma GCC visibility push(default)

XLA_FFI_DEFINE_HANDLER_SYMBOL(flambeau_max_pooling, flambeau::max_pooling,
                              xla::ffi::Ffi::Bind()
                                  .Ctx<xla::ffi::ThreadPool>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Ret<xla::ffi::AnyBuffer>());

#pragma GCC visibility pop
