// The order in which sorting would put the elements of each row; equal elements keep theirs, NaN is the largest.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#include "parallel.h"
#include "workspace.h"
#include "xla/ffi/api/ffi.h"

namespace flambeau {
namespace {

namespace ffi = xla::ffi;

constexpr int64_t kWorthAThread = 4000;  // elements
constexpr int64_t kFew = 64;             // below, comparing is quicker than counting
constexpr int64_t kChosen = 8;           // a row at least this many times as long as what is wanted of it is not sorted

// An element as a number without a sign that is ordered alike, and where it stands.
template <typename Key>
struct Item {
  Key key;
  int32_t place;
  bool operator<(const Item& other) const { return key != other.key ? key < other.key : place < other.place; }
};

template <typename Value>
auto key_of(Value value) {
  using Key = std::conditional_t<sizeof(Value) == 4, uint32_t, uint64_t>;
  constexpr Key kSign = Key{1} << (8 * sizeof(Key) - 1);
  if constexpr (std::is_floating_point_v<Value>) {
    value += 0;  // -0 becomes 0
    Key bits;
    std::memcpy(&bits, &value, sizeof(bits));
    return value != value ? ~Key{0} : bits ^ (bits & kSign ? ~Key{0} : kSign);
  } else {
    return static_cast<Key>(value) ^ kSign;
  }
}

// Sorts by the bytes of the keys, the lowest first; `spare` has room for as many. Returns where the result is.
template <typename Key>
Item<Key>* sorted(Item<Key>* items, Item<Key>* spare, int64_t count) {
  if (count < kFew) {
    std::sort(items, items + count);
    return items;
  }
  int32_t counts[sizeof(Key)][256] = {};
  for (int64_t at = 0; at < count; ++at) {
    for (size_t byte = 0; byte < sizeof(Key); ++byte) ++counts[byte][items[at].key >> (8 * byte) & 255];
  }
  for (size_t byte = 0; byte < sizeof(Key); ++byte) {
    int32_t* starts = counts[byte];
    if (starts[items[0].key >> (8 * byte) & 255] == count) continue;  // the same in all keys
    int32_t total = 0;
    for (int digit = 0; digit < 256; ++digit) total += std::exchange(starts[digit], total);
    for (int64_t at = 0; at < count; ++at) spare[starts[items[at].key >> (8 * byte) & 255]++] = items[at];
    std::swap(items, spare);
  }
  return items;
}

// Puts the `wanted` smallest of `count` items, which item(0) ... item(count - 1) make, to the front of `kept`, sorted;
// `kept` has room for twice as many, and `count` is not less.
template <typename Key, typename Make>
void choose(Item<Key>* kept, int64_t count, int64_t wanted, const Make& item) {
  const int64_t room = 2 * wanted;
  for (int64_t at = 0; at < room; ++at) kept[at] = item(at);
  std::nth_element(kept, kept + wanted, kept + room);
  Key limit = kept[wanted].key;
  int64_t size = wanted;
  for (int64_t at = room; at < count; ++at) {
    const Item<Key> next = item(at);
    if (next.key >= limit) continue;  // an equal one stands later than what is kept
    kept[size++] = next;
    if (size < room) continue;
    std::nth_element(kept, kept + wanted, kept + room);
    limit = kept[wanted].key;
    size = wanted;
  }
  std::sort(kept, kept + size);
}

template <typename Value>
void order(ffi::ThreadPool& pool, const Value* x, int64_t rows, int64_t size, int32_t* result, int64_t wanted,
           bool descending) {
  using Key = decltype(key_of(Value{}));
  const int64_t enough = std::max<int64_t>(1, rows * size / kWorthAThread);
  const int threads = static_cast<int>(std::min({enough, rows, pool.num_threads()}));
  const Key turned = descending ? ~Key{0} : 0;
  Workspace space(threads * 2 * size * sizeof(Item<Key>));
  spread(pool, threads, threads, [&](int index) {
    Item<Key>* items = reinterpret_cast<Item<Key>*>(space.data()) + index * 2 * size;
    for (int64_t row = rows * index / threads; row < rows * (index + 1) / threads; ++row) {
      const Value* from = x + row * size;
      auto item = [&](int64_t at) { return Item<Key>{key_of(from[at]) ^ turned, static_cast<int32_t>(at)}; };
      const Item<Key>* found = items;
      if (size >= kChosen * wanted) {
        choose(items, size, wanted, item);
      } else {
        for (int64_t at = 0; at < size; ++at) items[at] = item(at);
        found = sorted(items, items + size, size);
      }
      for (int64_t at = 0; at < wanted; ++at) result[row * wanted + at] = found[at].place;
    }
  });
}

// x (..., size) -> places (..., wanted) of the elements of each row, in order.
ffi::Error order_rows(ffi::ThreadPool pool, ffi::AnyBuffer x, ffi::Result<ffi::AnyBuffer> result, int64_t descending) {
  const int64_t size = x.dimensions().back(), wanted = result->dimensions().back();
  const int64_t rows = static_cast<int64_t>(x.element_count()) / size;
  auto* to = static_cast<int32_t*>(result->untyped_data());
  auto run = [&](auto value) {
    order(pool, static_cast<const decltype(value)*>(x.untyped_data()), rows, size, to, wanted, descending != 0);
    return ffi::Error::Success();
  };
  switch (x.element_type()) {
    case ffi::F32: return run(float{});
    case ffi::F64: return run(double{});
    case ffi::S32: return run(int32_t{});
    case ffi::S64: return run(int64_t{});
    default: return ffi::Error(ffi::ErrorCode::kInvalidArgument, "elements of another type");
  }
}

}  // namespace
}  // namespace flambeau

#pragma GCC visibility push(default)

XLA_FFI_DEFINE_HANDLER_SYMBOL(flambeau_order, flambeau::order_rows,
                              xla::ffi::Ffi::Bind()
                                  .Ctx<xla::ffi::ThreadPool>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Ret<xla::ffi::AnyBuffer>()
                                  .Attr<int64_t>("descending"));

#pragma GCC visibility pop
