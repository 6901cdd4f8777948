// As many floats as a register holds at a time, and the functions of them that normalization, softmax and activations need.
//
// The library is compiled for the processor that it runs on, so these are its own widest instructions. No sum is
// reordered by the compiler: the order is the one written.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <limits>
#include <utility>

#define FLAMBEAU_INLINE inline __attribute__((always_inline))

namespace flambeau {

// A register's own width: GCC keeps vectors that are wider in memory.
#if defined(__AVX512F__)
constexpr int64_t kLanes = 16;
#elif defined(__AVX2__)
constexpr int64_t kLanes = 8;
#else
constexpr int64_t kLanes = 4;
#endif

// How many units cover a size.
inline int64_t up(int64_t size, int64_t unit) { return (size + unit - 1) / unit; }

typedef float Floats __attribute__((vector_size(kLanes * sizeof(float))));
typedef int32_t Whole __attribute__((vector_size(kLanes * sizeof(int32_t))));

// Taking zeros away changes no number, so the compiler loads it from memory manifold; added, -0 would not stay.
FLAMBEAU_INLINE Floats all(float value) { return value - Floats{}; }

FLAMBEAU_INLINE Floats load(const float* from) {
  Floats values;
  std::memcpy(&values, from, sizeof values);
  return values;
}

FLAMBEAU_INLINE void store(float* to, Floats values) { std::memcpy(to, &values, sizeof values); }

// The first `count` of a vector; the others are `rest`.
FLAMBEAU_INLINE Floats load(const float* from, int64_t count, float rest = 0) {
  if (count >= kLanes) return load(from);
  float some[kLanes];
  store(some, all(rest));
  std::memcpy(some, from, count * sizeof(float));
  return load(some);
}

FLAMBEAU_INLINE void store(float* to, Floats values, int64_t count) {
  if (count >= kLanes) return store(to, values);
  std::memcpy(to, &values, count * sizeof(float));
}

template <int kPlaces, int... kLane>
FLAMBEAU_INLINE Floats turned(Floats values, std::integer_sequence<int, kLane...>) {
  return __builtin_shufflevector(values, values, kLane + kPlaces...);
}

// All numbers of a vector joined into one, its halves first.
template <int kPlaces = kLanes / 2, typename Join>
FLAMBEAU_INLINE float joined(Floats values, const Join& join) {
  values = join(values, turned<kPlaces>(values, std::make_integer_sequence<int, kLanes>()));
  if constexpr (kPlaces == 1) return values[0];
  else return joined<kPlaces / 2>(values, join);
}

FLAMBEAU_INLINE float sum(Floats values) { return joined(values, std::plus<Floats>()); }

// Of each two lines so far apart, the second half of every block of the first for the first half of that of the second.
template <int kSize, int... kLane>
FLAMBEAU_INLINE void swap_blocks(Floats (&lines)[kLanes], std::integer_sequence<int, kLane...> places) {
  for (int line = 0; line < kLanes; ++line) {
    if (line & kSize) continue;
    const Floats x = lines[line], y = lines[line + kSize];
    lines[line] = __builtin_shufflevector(x, y, (kLane & kSize ? kLane - kSize + kLanes : kLane)...);
    lines[line + kSize] = __builtin_shufflevector(x, y, (kLane & kSize ? kLane + kLanes : kLane + kSize)...);
  }
  if constexpr (kSize > 1) swap_blocks<kSize / 2>(lines, places);
}

// kLanes x kLanes numbers, rows for columns.
FLAMBEAU_INLINE void transpose(const float* from, int64_t from_step, float* to, int64_t to_step) {
  Floats lines[kLanes];
  for (int line = 0; line < kLanes; ++line) lines[line] = load(from + line * from_step);
  swap_blocks<kLanes / 2>(lines, std::make_integer_sequence<int, kLanes>());
  for (int line = 0; line < kLanes; ++line) store(to + line * to_step, lines[line]);
}

// The larger one; NaN if one of them is.
FLAMBEAU_INLINE Floats larger(Floats x, Floats y) { return (x > y) | (x != x) ? x : y; }

FLAMBEAU_INLINE float largest(Floats values) {
  return joined(values, [](Floats x, Floats y) { return larger(x, y); });
}

// e to the x, to about one unit in the last place: x = n log 2 + r, a polynomial in r, and n into the exponent.
FLAMBEAU_INLINE Floats exponential(Floats x) {
  const Floats low = all(-104.0f), high = all(89.0f);  // beyond, it is 0 or infinite
  const Whole nothing = x < low;
  x = nothing ? all(0) : x;  // NaN stays
  x = x > high ? high : x;
  const Floats shift = all(12582912.0f);  // adding it rounds to a whole number, which stands in the last bits
  const Floats moved = x * 1.44269504088896341f + shift;
  const Floats n = moved - shift;
  Floats r = x - n * 0.693145751953125f;
  r = r - n * 1.42860682030941723212e-6f;
  Floats p = all(1.0f / 5040);
  p = p * r + 1.0f / 720;
  p = p * r + 1.0f / 120;
  p = p * r + 1.0f / 24;
  p = p * r + 1.0f / 6;
  p = p * r + 0.5f;
  p = p * (r * r) + r + 1.0f;
  Whole bits;
  std::memcpy(&bits, &moved, sizeof bits);
  const Whole exponent = bits - 0x4B400000;
  const Whole half = exponent >> 1;  // in two steps, so that results below the normal numbers come out, too
  const Whole first = (half + 127) << 23, second = (exponent - half + 127) << 23;
  Floats a, b;
  std::memcpy(&a, &first, sizeof a);
  std::memcpy(&b, &second, sizeof b);
  return nothing ? all(0) : p * a * b;
}

// The error function, as a quotient of polynomials, to about two units in the last place of 1.
FLAMBEAU_INLINE Floats error_function(Floats x) {
  const Floats low = all(-4.0f), high = all(4.0f);
  x = x < low ? low : x;
  x = x > high ? high : x;
  const Floats square = x * x;
  Floats p = all(-2.72614225801306e-10f);
  p = p * square + 2.77068142495902e-08f;
  p = p * square + -2.10102402082508e-06f;
  p = p * square + -5.69250639462346e-05f;
  p = p * square + -7.34990630326855e-04f;
  p = p * square + -2.95459980854025e-03f;
  p = p * square + -1.60960333262415e-02f;
  Floats q = all(-1.45660718464996e-05f);
  q = q * square + -2.13374055278905e-04f;
  q = q * square + -1.68282697438203e-03f;
  q = q * square + -7.37332916720468e-03f;
  q = q * square + -1.42647390514189e-02f;
  const Floats found = x * p / q;
  return found > 1.0f ? all(1) : found < -1.0f ? all(-1) : found;
}

}  // namespace flambeau
