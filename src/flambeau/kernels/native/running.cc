// Sums, products and extremes of the elements so far along the second axis of (outer, size, inner), from the first on or
// from the last back.
//
// Those of float32 are kept in double (of bfloat16 in float), in the order in which elements stand, and rounded where they
// are written: as PyTorch does it, so the bits are the same.
#include <algorithm>
#include <cstdint>
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
constexpr int kRows = 4;                  // rows by turns: a sum waits for the one before it
constexpr int kColumns = 64;              // columns side by side

// What is kept while numbers are joined.
template <typename Number>
using Kept = std::conditional_t<std::is_same_v<Number, float>, double,
                               std::conditional_t<std::is_same_v<Number, Bfloat16>, float, Number>>;

template <typename Number>
inline void put(Kept<Number> value, Number* to) {
  if constexpr (std::is_same_v<Number, Bfloat16>) round(&value, 1, to);
  else *to = static_cast<Number>(value);
}

// How to join a number with what is kept, and what to begin with.
enum Kind : int64_t { kSums = 0, kProducts = 1, kMaxima = 2, kMinima = 3 };

template <Kind kKind, typename Value>
inline Value begun() {
  using Limits = std::numeric_limits<Value>;
  if constexpr (kKind == kSums) return 0;
  else if constexpr (kKind == kProducts) return 1;
  else if constexpr (Limits::has_infinity) return kKind == kMaxima ? -Limits::infinity() : Limits::infinity();
  else return kKind == kMaxima ? Limits::min() : Limits::max();
}

template <Kind kKind, typename Value>
inline Value joined(Value kept, Value next) {
  if constexpr (kKind == kSums) return kept + next;
  else if constexpr (kKind == kProducts) return kept * next;
  else if constexpr (kKind == kMaxima) return next > kept || next != next ? next : kept;  // NaN stays: nothing is larger
  else return next < kept || next != next ? next : kept;
}

// At most kMost series side by side: elements of a series lie `step` numbers apart, the series `apart`.
template <Kind kKind, int kMost, typename Number>
void run_along(const Number* x, int64_t size, int64_t step, int64_t count, int64_t apart, Number* result) {
  Kept<Number> kept[kMost];
  std::fill_n(kept, kMost, begun<kKind, Kept<Number>>());
  const auto run = [&](int64_t some) {
    for (int64_t at = 0; at < size; ++at, x += step, result += step) {
      for (int64_t series = 0; series < some; ++series) {
        kept[series] = joined<kKind, Kept<Number>>(kept[series], x[series * apart]);
        put(kept[series], result + series * apart);
      }
    }
  };
  count == kMost ? run(kMost) : run(count);  // a constant number stays in registers
}

template <Kind kKind, typename Number>
void run_along(ffi::ThreadPool& pool, ffi::Span<const int64_t> sizes, const Number* x, bool reverse, Number* result) {
  const int64_t outer = sizes[0], size = sizes[1], inner = sizes[2];
  const bool by_rows = inner == 1;
  const int64_t blocks = up(inner, kColumns);
  const int64_t items = by_rows ? up(outer, kRows) : outer * blocks;
  const int64_t first = reverse ? (size - 1) * inner : 0, step = reverse ? -inner : inner;
  const int64_t parts = std::max<int64_t>(1, std::min({outer * size * inner / kWorthAThread, items, pool.num_threads()}));
  spread(pool, static_cast<int>(parts), static_cast<int>(parts), [&](int part) {
    for (int64_t item = items * part / parts; item < items * (part + 1) / parts; ++item) {
      if (by_rows) {
        const int64_t row = item * kRows, start = row * size + first;
        run_along<kKind, kRows>(x + start, size, step, std::min<int64_t>(kRows, outer - row), size, result + start);
      } else {
        const int64_t column = item % blocks * kColumns, start = item / blocks * size * inner + first + column;
        run_along<kKind, kColumns>(x + start, size, step, std::min<int64_t>(kColumns, inner - column), 1, result + start);
      }
    }
  });
}

template <Kind kKind>
ffi::Error run_by_type(ffi::ThreadPool& pool, ffi::AnyBuffer x, ffi::AnyBuffer result, bool reverse) {
  const auto run = [&](auto zero) {
    using Number = decltype(zero);
    run_along<kKind>(pool, x.dimensions(), numbers<Number>(x), reverse, numbers<Number>(result));
    return ffi::Error::Success();
  };
  switch (x.element_type()) {
    case ffi::F32: return run(float{});
    case ffi::F64: return run(double{});
    case ffi::S64: return run(int64_t{});
    case ffi::BF16: return run(Bfloat16{});
    default: return ffi::Error(ffi::ErrorCode::kInvalidArgument, "elements of another type");
  }
}

ffi::Error running(ffi::ThreadPool pool, ffi::AnyBuffer x, ffi::Result<ffi::AnyBuffer> result, int64_t kind,
                   int64_t reverse) {
  in_large_pages(*result);
  switch (kind) {
    case kSums: return run_by_type<kSums>(pool, x, *result, reverse != 0);
    case kProducts: return run_by_type<kProducts>(pool, x, *result, reverse != 0);
    case kMaxima: return run_by_type<kMaxima>(pool, x, *result, reverse != 0);
    default: return run_by_type<kMinima>(pool, x, *result, reverse != 0);
  }
}

}  // namespace
}  // namespace flambeau

#pragma GCC visibility push(default)

XLA_FFI_DEFINE_HANDLER_SYMBOL(flambeau_running, flambeau::running,
                              xla::ffi::Ffi::Bind()
                                  .Ctx<xla::ffi::ThreadPool>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Ret<xla::ffi::AnyBuffer>()
                                  .Attr<int64_t>("kind")
                                  .Attr<int64_t>("reverse"));

#pragma GCC visibility pop
