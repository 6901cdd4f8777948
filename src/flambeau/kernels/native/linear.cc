// Linear layers: x @ weight.T + bias, and all of their gradients in one call; with the ReLUs beside them.
#include <algorithm>
#include <cstdint>
#include <string>
#include <type_traits>

#include "buffers.h"
#include "few_rows.h"
#include "pages.h"
#include "parallel.h"
#include "products.h"
#include "vectors.h"
#include "xla/ffi/api/ffi.h"

namespace flambeau {
namespace {

namespace ffi = xla::ffi;

constexpr int64_t kWorthAThread = 1000000;  // products; below, waking a thread takes longer
constexpr int64_t kPiecesAThread = 2;       // so that a thread that comes late finds something to do
constexpr int64_t kWide = 128;              // rows or outputs below which rearranging the other factor takes a third more

// The part of a range that is the index-th of count, in multiples of 16.
struct Range {
  int64_t begin, end;
  Range(int64_t size, int64_t index, int64_t count)
      : begin(std::min(size, (size * index / count + 8) / 16 * 16)),
        end(index + 1 == count ? size : std::min(size, (size * (index + 1) / count + 8) / 16 * 16)) {}
  int64_t size() const { return end - begin; }
};

// Into how many pieces of at least 16 to cut a range: one a thread, and more while none gets narrower than `least`.
int64_t pieces(int64_t products, int64_t threads, int64_t size, int64_t least = 16) {
  threads = std::min(threads, products / kWorthAThread);
  if (threads < 2) return 1;
  return std::max<int64_t>(1, std::min(size / 16, std::clamp(size / least, threads, threads * kPiecesAThread)));
}

// total[column] = sum of the rows of x; in blocks, so that rounding grows slowly.
template <typename Number>
void add_rows(const Number* x, int64_t rows, int64_t columns, int64_t stride, Number* total) {
  constexpr int64_t kBlock = 32;
  for (int64_t at = 0; at < columns; at += kLanes) {
    const int64_t count = std::min(kLanes, columns - at);
    Floats found = all(0);
    for (int64_t start = 0; start < rows; start += kBlock) {
      Floats part = all(0);
      const int64_t end = std::min(rows, start + kBlock);
      for (int64_t row = start; row < end; ++row) part += load(x + row * stride + at, count);
      found += part;
    }
    store(total + at, found, count);
  }
}

// result = x @ y.T + bias, for y (columns, depth), if there is a bias.
void multiply_and_add(int64_t rows, int64_t columns, int64_t depth, const float* x, const float* y, const float* bias,
                      float* result, int64_t stride) {
  for (int64_t row = 0; bias != nullptr && row < rows; ++row) std::copy_n(bias, columns, result + row * stride);
  multiply(rows, columns, depth, {x, depth}, {y, depth, true}, result, stride, 1, bias == nullptr ? 0 : 1);
}
void multiply_and_add(int64_t rows, int64_t columns, int64_t depth, const Bfloat16* x, const Bfloat16* y,
                      const Bfloat16* bias, Bfloat16* result, int64_t stride) {
  multiply(rows, columns, depth, {x, depth}, {y, depth, true}, result, stride, 1, 0, bias);
}

// Numbers become 0 where those of `by`, which are as far apart, are not positive; NaN is left, and leaves.
template <typename Number>
void rectify(int64_t rows, int64_t columns, int64_t stride, const Number* by, Number* numbers) {
  for (int64_t row = 0; row < rows; ++row, by += stride, numbers += stride) {
    for (int64_t at = 0; at < columns; at += kLanes) {
      const int64_t count = std::min(kLanes, columns - at);
      const Floats values = load(numbers + at, count);
      store(numbers + at, load(by + at, count) <= all(0) ? all(0) : values, count);
    }
  }
}

// (x (rows, inputs), weight (outputs, inputs), bias if there is one) -> y (rows, outputs), or its ReLU.
template <typename Number>
std::string products_of(ffi::ThreadPool& pool, ffi::RemainingArgs& arguments, ffi::AnyBuffer result, bool rectified,
                        int64_t products) {
  const ffi::AnyBuffer x = *arguments.get<ffi::AnyBuffer>(0), weight = *arguments.get<ffi::AnyBuffer>(1);
  const int64_t outputs = weight.dimensions()[0], inputs = weight.dimensions()[1], rows = x.dimensions()[0];
  const Number* bias = arguments.size() > 2 ? numbers<Number>(*arguments.get<ffi::AnyBuffer>(2)) : nullptr;
  const Number *from = numbers<Number>(x), *by = numbers<Number>(weight);
  in_large_pages(result);
  Number* y = numbers<Number>(result);
  const int64_t threads = pool.num_threads();
  const bool by_rows = rows >= outputs / 2;
  const bool few = std::is_same_v<Number, float> && rows <= kFewRows && inputs * outputs >= kLarge;
  const int64_t count = pieces(products, threads, by_rows ? rows : outputs, kWide);
  return together(pool, count, threads, [&](int index) {
    const Range own_rows = by_rows ? Range(rows, index, count) : Range(rows, 0, 1);
    const Range own = by_rows ? Range(outputs, 0, 1) : Range(outputs, index, count);
    if (own_rows.size() <= 0 || own.size() <= 0) return;
    const Number* biases = bias == nullptr ? nullptr : bias + own.begin;
    Number* to = y + own_rows.begin * outputs + own.begin;
    if (few) {
      if constexpr (std::is_same_v<Number, float>) {
        for (int64_t row = 0; row < rows; ++row) {
          biases == nullptr ? std::fill_n(to + row * outputs, own.size(), 0.0f)
                            : std::copy_n(biases, own.size(), to + row * outputs);
        }
        few_rows(rows, from, by + own.begin * inputs, inputs, own.size(), to, outputs);
      }
    } else {
      multiply_and_add(own_rows.size(), own.size(), inputs, from + own_rows.begin * inputs, by + own.begin * inputs,
                       biases, to, outputs);
    }
    if (rectified) rectify(own_rows.size(), own.size(), outputs, to, to);
  });
}

ffi::Error linear(ffi::ThreadPool pool, ffi::RemainingArgs arguments, ffi::Result<ffi::AnyBuffer> result,
                  int64_t rectified, int64_t products) {
  return outcome(by_type(*result, [&](auto zero) {
    return products_of<decltype(zero)>(pool, arguments, *result, rectified != 0, products);
  }));
}

// (x, weight, gradient of y) -> those of `wanted` (1: x, 2: weight, 4: bias) in this order. Where x is a ReLU's result,
// its gradient may be that of what the ReLU was given.
template <typename Number>
std::string gradients_of(ffi::ThreadPool& pool, ffi::AnyBuffer x, ffi::AnyBuffer weight, ffi::AnyBuffer gradient,
                         ffi::RemainingRets& results, int64_t wanted, bool rectified, int64_t products) {
  const int64_t outputs = weight.dimensions()[0], inputs = weight.dimensions()[1], rows = x.dimensions()[0];
  const Number *from = numbers<Number>(x), *by = numbers<Number>(weight), *given = numbers<Number>(gradient);
  const auto found = wanted_results<Number, 3>(results, wanted);
  const int64_t threads = pool.num_threads();
  const int64_t by_rows = found[0] == nullptr ? 0 : pieces(products, threads, rows);
  const int64_t by_outputs = found[1] == nullptr && found[2] == nullptr ? 0 : pieces(products, threads, outputs);
  return together(pool, by_rows + by_outputs, threads, [&](int index) {
    if (index < by_outputs) {
      const Range own(outputs, index, by_outputs);
      if (own.size() <= 0) return;
      if (found[2] != nullptr) add_rows(given + own.begin, rows, own.size(), outputs, found[2] + own.begin);
      if (found[1] == nullptr) return;
      multiply(own.size(), inputs, rows, {given + own.begin, outputs, true}, {from, inputs},
               found[1] + own.begin * inputs, inputs);
    } else {
      const Range own(rows, index - by_outputs, by_rows);
      if (own.size() <= 0) return;
      Number* to = found[0] + own.begin * inputs;
      multiply(own.size(), inputs, outputs, {given + own.begin * outputs, outputs}, {by, inputs}, to, inputs);
      if (rectified) rectify(own.size(), inputs, inputs, from + own.begin * inputs, to);
    }
  });
}

ffi::Error linear_gradients(ffi::ThreadPool pool, ffi::AnyBuffer x, ffi::AnyBuffer weight, ffi::AnyBuffer gradient,
                            ffi::RemainingRets results, int64_t wanted, int64_t rectified, int64_t products) {
  return outcome(by_type(x, [&](auto zero) {
    return gradients_of<decltype(zero)>(pool, x, weight, gradient, results, wanted, rectified != 0, products);
  }));
}

}  // namespace
}  // namespace flambeau

#pragma GCC visibility push(default)

XLA_FFI_DEFINE_HANDLER_SYMBOL(flambeau_linear, flambeau::linear,
                              xla::ffi::Ffi::Bind()
                                  .Ctx<xla::ffi::ThreadPool>()
                                  .RemainingArgs()
                                  .Ret<xla::ffi::AnyBuffer>()
                                  .Attr<int64_t>("rectified")
                                  .Attr<int64_t>("products"));

XLA_FFI_DEFINE_HANDLER_SYMBOL(flambeau_linear_gradients, flambeau::linear_gradients,
                              xla::ffi::Ffi::Bind()
                                  .Ctx<xla::ffi::ThreadPool>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .RemainingRets()
                                  .Attr<int64_t>("wanted")
                                  .Attr<int64_t>("rectified")
                                  .Attr<int64_t>("products"));

#pragma GCC visibility pop
