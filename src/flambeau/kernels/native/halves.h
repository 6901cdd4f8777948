// bfloat16: the upper half of a float, read and written a vector at a time.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "vectors.h"

namespace flambeau {

struct Bfloat16 {
  uint16_t bits;
  operator float() const {
    const uint32_t wide = static_cast<uint32_t>(bits) << 16;
    float value;
    std::memcpy(&value, &wide, sizeof value);
    return value;
  }
};

typedef uint16_t Halves __attribute__((vector_size(kLanes * sizeof(uint16_t))));
typedef uint32_t Bits __attribute__((vector_size(kLanes * sizeof(uint32_t))));

FLAMBEAU_INLINE Floats load(const Bfloat16* from) {
  Halves halves;
  std::memcpy(&halves, from, sizeof halves);
  const Bits bits = __builtin_convertvector(halves, Bits) << 16;
  Floats values;
  std::memcpy(&values, &bits, sizeof values);
  return values;
}

// The nearest one, the even one of two; a NaN stays one.
FLAMBEAU_INLINE void store(Bfloat16* to, Floats values) {
  Bits bits;
  std::memcpy(&bits, &values, sizeof bits);
  const Bits rounded = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16, quiet = bits >> 16 | 0x40;
  const Halves halves = __builtin_convertvector(values == values ? rounded : quiet, Halves);
  std::memcpy(to, &halves, sizeof halves);
}

FLAMBEAU_INLINE Floats load(const Bfloat16* from, int64_t count, float rest = 0) {
  if (count >= kLanes) return load(from);
  Bfloat16 some[kLanes];
  store(some, all(rest));
  std::copy_n(from, count, some);
  return load(some);
}

FLAMBEAU_INLINE void store(Bfloat16* to, Floats values, int64_t count) {
  if (count >= kLanes) return store(to, values);
  Bfloat16 some[kLanes];
  store(some, values);
  std::copy_n(some, count, to);
}

inline void round(const float* from, int64_t count, Bfloat16* to) {
  for (int64_t at = 0; at < count; at += kLanes) store(to + at, load(from + at, count - at), count - at);
}

}  // namespace flambeau
