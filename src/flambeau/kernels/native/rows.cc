// Rows, or single numbers, taken from positions along an axis, and added at them.
//
// Arrays are (outer, size, inner); positions are along the second axis, either one for each row (count) or one for each
// number (outer, count, inner). What is added at the same position is added in the order in which it stands.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

#include "buffers.h"
#include "pages.h"
#include "parallel.h"
#include "xla/ffi/api/ffi.h"

namespace flambeau {
namespace {

namespace ffi = xla::ffi;

constexpr int64_t kWorthAThread = 20000;  // numbers
constexpr int64_t kWide = 8;              // a row of so many numbers costs more than looking at its position

struct Shape {
  int64_t outer, size, count, inner;
  bool by_number;
};

// `array` is (outer, size, inner).
Shape shape_of(ffi::AnyBuffer array, ffi::AnyBuffer index) {
  const auto sizes = array.dimensions(), places = index.dimensions();
  const bool by_number = places.size() == 3;
  return {sizes[0], sizes[1], places[by_number ? 1 : 0], sizes[2], by_number};
}

// A position counted from the start; -1 if there is none such.
template <typename Index>
inline int64_t position(Index given, int64_t size) {
  const int64_t from_start = given < 0 ? given + size : given;
  return from_start < 0 || from_start >= size ? -1 : from_start;
}

int parts_for(ffi::ThreadPool& pool, int64_t numbers, int64_t most) {
  return static_cast<int>(std::max<int64_t>(1, std::min({numbers / kWorthAThread, most, pool.num_threads()})));
}

inline void add(const float* from, int64_t count, float* to) {
  for (int64_t at = 0; at < count; ++at) to[at] += from[at];
}

// Each sum is rounded.
inline void add(const Bfloat16* from, int64_t count, Bfloat16* to) {
  for (int64_t at = 0; at < count; at += kLanes) {
    store(to + at, load(to + at, count - at) + load(from + at, count - at), count - at);
  }
}

inline void add(Bfloat16 value, Bfloat16* to) {
  const float found = *to + value;
  round(&found, 1, to);
}
inline void add(float value, float* to) { *to += value; }

template <typename Number>
Number not_a_number() {
  if constexpr (std::is_same_v<Number, float>) return std::numeric_limits<float>::quiet_NaN();
  return Number{0x7FC0};
}

// Takes what stands at positions begin ... end - 1 of the second axis of the result, in one of the outer arrays.
template <typename Number, typename Index>
void take_some(const Shape& shape, const Number* x, const Index* index, Number nothing, int64_t begin, int64_t end,
               Number* result) {
  for (int64_t at = begin; at < end; ++at) {
    Number* to = result + at * shape.inner;
    if (!shape.by_number) {
      const int64_t row = position(index[at], shape.size);
      if (row < 0) {
        std::fill_n(to, shape.inner, nothing);
      } else {
        std::copy_n(x + row * shape.inner, shape.inner, to);
      }
      continue;
    }
    const Index* rows = index + at * shape.inner;
    for (int64_t column = 0; column < shape.inner; ++column) {
      const int64_t row = position(rows[column], shape.size);
      to[column] = row < 0 ? nothing : x[row * shape.inner + column];
    }
  }
}

template <typename Number, typename Index>
void take(ffi::ThreadPool& pool, const Shape& shape, const Number* x, const Index* index, bool zeros, Number* result) {
  const Number nothing = zeros ? Number{} : not_a_number<Number>();
  const int64_t lines = shape.outer * shape.count, own_index = shape.by_number ? shape.count * shape.inner : 0;
  const int parts = parts_for(pool, lines * shape.inner, lines);
  spread(pool, parts, parts, [&](int part) {
    const int64_t begin = lines * part / parts, end = lines * (part + 1) / parts;
    for (int64_t line = begin; line < end;) {
      const int64_t outer = line / shape.count, first = line - outer * shape.count;
      const int64_t last = std::min(shape.count, first + end - line);
      take_some(shape, x + outer * shape.size * shape.inner, index + outer * own_index, nothing, first, last,
                result + outer * shape.count * shape.inner);
      line += last - first;
    }
  });
}

// Adds what belongs to the rows begin ... end - 1 of one of the outer arrays.
template <typename Number, typename Index>
void add_some(const Shape& shape, const Index* index, const Number* values, int64_t begin, int64_t end,
              Number* result) {
  for (int64_t at = 0; at < shape.count; ++at) {
    const Number* from = values + at * shape.inner;
    if (!shape.by_number) {
      const int64_t row = position(index[at], shape.size);
      if (row < begin || row >= end) continue;
      shape.inner == 1 ? add(*from, result + row) : add(from, shape.inner, result + row * shape.inner);
      continue;
    }
    const Index* rows = index + at * shape.inner;
    for (int64_t column = 0; column < shape.inner; ++column) {
      const int64_t row = position(rows[column], shape.size);
      if (row >= begin && row < end) add(from[column], result + row * shape.inner + column);
    }
  }
}

// Each thread adds to some of the outer arrays; or, of wide rows, to some of them, and looks at all positions.
template <typename Number, typename Index>
void add_all(ffi::ThreadPool& pool, const Shape& shape, const Index* index, const Number* values, const Number* base,
             Number* result) {
  const int64_t own_index = shape.by_number ? shape.count * shape.inner : 0, plane = shape.size * shape.inner;
  const int64_t numbers = shape.outer * (shape.count * shape.inner + plane);
  const bool by_rows = !shape.by_number && shape.inner >= kWide && shape.outer < pool.num_threads();
  const int parts = parts_for(pool, numbers, by_rows ? shape.size : shape.outer);
  spread(pool, parts, parts, [&](int part) {
    const auto share = [&](bool shared, int64_t size, int which) { return shared ? size * which / parts : 0; };
    const int64_t begin = share(by_rows, shape.size, part);
    const int64_t end = by_rows ? share(true, shape.size, part + 1) : shape.size;
    const int64_t last = by_rows ? shape.outer : share(true, shape.outer, part + 1);
    const int64_t start = begin * shape.inner, count = (end - begin) * shape.inner;
    for (int64_t outer = share(!by_rows, shape.outer, part); outer < last; ++outer) {
      Number* to = result + outer * plane;
      if (base == nullptr) {
        std::fill_n(to + start, count, Number{});
      } else if (base != result) {
        std::copy_n(base + outer * plane + start, count, to + start);
      }
      add_some(shape, index + outer * own_index, values + outer * shape.count * shape.inner, begin, end, to);
    }
  });
}

// Calls work(zero of the numbers' type, the positions).
template <typename Work>
ffi::Error by_types(ffi::AnyBuffer array, ffi::AnyBuffer index, const Work& work) {
  by_type(array, [&](auto zero) {
    index.element_type() == ffi::S64 ? work(zero, numbers<int64_t>(index)) : work(zero, numbers<int32_t>(index));
  });
  return ffi::Error::Success();
}

// (x, positions) -> what stands there; where there is no such position NaN, or zero.
ffi::Error take_rows(ffi::ThreadPool pool, ffi::AnyBuffer x, ffi::AnyBuffer index, ffi::Result<ffi::AnyBuffer> result,
                     int64_t zeros) {
  const Shape shape = shape_of(x, index);
  in_large_pages(*result);
  return by_types(x, index, [&](auto zero, const auto* places) {
    using Number = decltype(zero);
    take(pool, shape, numbers<Number>(x), places, zeros != 0, numbers<Number>(result));
  });
}

// (positions, values, what they are added to if it is not zero) -> sums.
ffi::Error add_rows(ffi::ThreadPool pool, ffi::RemainingArgs arguments, ffi::Result<ffi::AnyBuffer> result) {
  const ffi::AnyBuffer index = *arguments.get<ffi::AnyBuffer>(0), values = *arguments.get<ffi::AnyBuffer>(1);
  const Shape shape = shape_of(*result, index);
  in_large_pages(*result);
  return by_types(*result, index, [&](auto zero, const auto* places) {
    using Number = decltype(zero);
    const Number* base = arguments.size() > 2 ? numbers<Number>(*arguments.get<ffi::AnyBuffer>(2)) : nullptr;
    add_all(pool, shape, places, numbers<Number>(values), base, numbers<Number>(result));
  });
}

}  // namespace
}  // namespace flambeau

#pragma GCC visibility push(default)

XLA_FFI_DEFINE_HANDLER_SYMBOL(flambeau_take, flambeau::take_rows,
                              xla::ffi::Ffi::Bind()
                                  .Ctx<xla::ffi::ThreadPool>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Ret<xla::ffi::AnyBuffer>()
                                  .Attr<int64_t>("zeros"));

XLA_FFI_DEFINE_HANDLER_SYMBOL(flambeau_add, flambeau::add_rows,
                              xla::ffi::Ffi::Bind()
                                  .Ctx<xla::ffi::ThreadPool>()
                                  .RemainingArgs()
                                  .Ret<xla::ffi::AnyBuffer>());

#pragma GCC visibility pop
