// Sixteen floats at a time, and the functions of them that normalization, softmax and activations need.
//
// The library is compiled for the processor that it runs on, so these are its own widest instructions. No sum is
// reordered by the compiler: the order is the one written.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#define FLAMBEAU_INLINE inline __attribute__((always_inline))

namespace flambeau {

constexpr int64_t kLanes = 16;

typedef float Floats __attribute__((vector_size(kLanes * sizeof(float))));
typedef int32_t Whole __attribute__((vector_size(kLanes * sizeof(int32_t))));

// Written out, so that a number is loaded from memory sixteenfold; added to zeros it would pass through a register.
FLAMBEAU_INLINE Floats all(float value) {
  return Floats{value, value, value, value, value, value, value, value,
                value, value, value, value, value, value, value, value};
}

FLAMBEAU_INLINE Floats load(const float* from) {
  Floats values;
  std::memcpy(&values, from, sizeof values);
  return values;
}

FLAMBEAU_INLINE void store(float* to, Floats values) { std::memcpy(to, &values, sizeof values); }

// The first `count` of sixteen; the others are `rest`.
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

// Each of the sixteen next to the one so many places further on, round about.
template <int kPlaces>
FLAMBEAU_INLINE Floats turned(Floats values) {
  constexpr int p = kPlaces;
  return __builtin_shufflevector(values, values, p, p + 1, p + 2, p + 3, p + 4, p + 5, p + 6, p + 7, p + 8, p + 9,
                                 p + 10, p + 11, p + 12, p + 13, p + 14, p + 15);
}

FLAMBEAU_INLINE float sum(Floats values) {
  values += turned<8>(values);
  values += turned<4>(values);
  values += turned<2>(values);
  return (values + turned<1>(values))[0];
}

// Of each two lines so far apart, the second half of every block of the first for the first half of that of the second.
template <int kSize>
FLAMBEAU_INLINE void swap_blocks(Floats (&lines)[kLanes]) {
  Whole first, second;  // places in the two lines, one after the other
  for (int lane = 0; lane < kLanes; ++lane) {
    const bool low = (lane & kSize) == 0;
    first[lane] = low ? lane : lane - kSize + kLanes, second[lane] = low ? lane + kSize : lane + kLanes;
  }
  for (int line = 0; line < kLanes; ++line) {
    if (line & kSize) continue;
    const Floats x = lines[line], y = lines[line + kSize];
    lines[line] = __builtin_shuffle(x, y, first), lines[line + kSize] = __builtin_shuffle(x, y, second);
  }
}

// 16 x 16 numbers, rows for columns.
FLAMBEAU_INLINE void transpose(const float* from, int64_t from_step, float* to, int64_t to_step) {
  Floats lines[kLanes];
  for (int line = 0; line < kLanes; ++line) lines[line] = load(from + line * from_step);
  swap_blocks<8>(lines), swap_blocks<4>(lines), swap_blocks<2>(lines), swap_blocks<1>(lines);
  for (int line = 0; line < kLanes; ++line) store(to + line * to_step, lines[line]);
}

// The larger one; NaN if one of them is.
FLAMBEAU_INLINE Floats larger(Floats x, Floats y) { return (x > y) | (x != x) ? x : y; }

FLAMBEAU_INLINE float largest(Floats values) {
  values = larger(values, turned<8>(values));
  values = larger(values, turned<4>(values));
  values = larger(values, turned<2>(values));
  return larger(values, turned<1>(values))[0];
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
