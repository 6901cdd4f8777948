// Products of many pairs of matrices.
#include <algorithm>
#include <cstdint>

#include "buffers.h"
#include "pages.h"
#include "parallel.h"
#include "products.h"
#include "xla/ffi/api/ffi.h"

namespace flambeau {
namespace {

namespace ffi = xla::ffi;

constexpr int64_t kWorthAThread = 1000000;  // products
constexpr int64_t kPiecesAThread = 4;       // so that a thread that comes late finds something to do
constexpr int64_t kLeastRows = 32;          // of a piece of a matrix

// x (..., rows, depth) @ y (..., depth, columns) -> (..., rows, columns); of `transposed`, 1: x is given as (..., depth,
// rows), 2: y as (..., columns, depth).
ffi::Error matmul(ffi::ThreadPool pool, ffi::AnyBuffer x, ffi::AnyBuffer y, ffi::Result<ffi::AnyBuffer> result,
                  int64_t transposed, int64_t products) {
  const auto sizes = result->dimensions();
  const int64_t rows = sizes[sizes.size() - 2], columns = sizes.back();
  const int64_t count = static_cast<int64_t>(result->element_count()) / (rows * columns);
  const int64_t depth = static_cast<int64_t>(x.element_count()) / (count * rows);
  const bool x_turned = transposed & 1, y_turned = transposed & 2;
  const float *from = floats(x), *by = floats(y);
  in_large_pages(*result);
  float* to = floats(*result);
  const int64_t threads = std::max<int64_t>(1, std::min(pool.num_threads(), products / kWorthAThread));
  const int64_t pieces = threads == 1 ? 1 : threads * kPiecesAThread;
  const int64_t parts = std::clamp<int64_t>((pieces + count - 1) / count, 1, std::max<int64_t>(1, rows / kLeastRows));
  const int64_t groups = std::min(count, pieces);  // of matrices
  spread(pool, groups * parts, threads, [&](int index) {
    OneThread alone;
    const int64_t group = index / parts, part = index % parts;
    const int64_t first = rows * part / parts, size = rows * (part + 1) / parts - first;
    for (int64_t at = count * group / groups; at < count * (group + 1) / groups; ++at) {
      const float* own = from + at * rows * depth + (x_turned ? first : first * depth);
      multiply(size, columns, depth, {own, x_turned ? rows : depth, x_turned},
               {by + at * depth * columns, y_turned ? depth : columns, y_turned},
               to + (at * rows + first) * columns, columns);
    }
  });
  return ffi::Error::Success();
}

}  // namespace
}  // namespace flambeau

#pragma GCC visibility push(default)

XLA_FFI_DEFINE_HANDLER_SYMBOL(flambeau_matmul, flambeau::matmul,
                              xla::ffi::Ffi::Bind()
                                  .Ctx<xla::ffi::ThreadPool>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Ret<xla::ffi::AnyBuffer>()
                                  .Attr<int64_t>("transposed")
                                  .Attr<int64_t>("products"));

#pragma GCC visibility pop
