// Normally distributed numbers, as generators/boxmuller.py makes them: the same words, the same roundings.
//
// A function for us to call, not for XLA: numbers are drawn on the host.
#include <algorithm>
#include <cstdint>
#include <cstring>

#include <immintrin.h>

#include "vectors.h"

namespace flambeau {
namespace {

constexpr int kWords = 624, kDistance = 397;
constexpr int64_t kGroup = 16;

typedef double Doubles __attribute__((vector_size(kLanes * sizeof(double))));

// Matsumoto and Nishimura, "Mersenne Twister" (1998): the next 624 words, before tempering.
FLAMBEAU_INLINE uint32_t twisted(uint32_t word, uint32_t next, uint32_t far) {
  const uint32_t joined = (word & 0x80000000u) | (next & 0x7FFFFFFFu);
  return far ^ joined >> 1 ^ (-(next & 1u) & 0x9908B0DFu);
}

void twist(uint32_t* key) {
  constexpr int kRest = kWords - kDistance;
  for (int at = 0; at < kRest; ++at) key[at] = twisted(key[at], key[at + 1], key[at + kDistance]);
  for (int at = kRest; at < kWords - 1; ++at) key[at] = twisted(key[at], key[at + 1], key[at - kRest]);
  key[kWords - 1] = twisted(key[kWords - 1], key[0], key[kDistance - 1]);
}

// The generator: its key, how much of it is used up, and the words of the key, tempered.
class Twister {
 public:
  Twister(uint32_t* key, int64_t position) : key_(key), position_(position) { temper(); }

  int64_t position() const { return position_; }

  void draw(uint32_t* to, int64_t count) {
    for (int64_t done = 0; done < count;) {
      if (position_ == kWords) {
        twist(key_);
        temper();
        position_ = 0;
      }
      const int64_t some = std::min<int64_t>(count - done, kWords - position_);
      std::memcpy(to + done, words_ + position_, some * sizeof(uint32_t));
      position_ += some;
      done += some;
    }
  }

 private:
  void temper() {
    for (int at = 0; at < kWords; ++at) {
      uint32_t word = key_[at];
      word ^= word >> 11;
      word ^= word << 7 & 0x9D2C5680u;
      word ^= word << 15 & 0xEFC60000u;
      words_[at] = word ^ word >> 18;
    }
  }

  uint32_t* key_;
  int64_t position_;
  uint32_t words_[kWords];
};

// Only where a product is exact, or meets no sum, is its rounding left to the compiler; elsewhere it is said here.

#if defined(__AVX512F__)

// x y + z, rounded once.
FLAMBEAU_INLINE Floats fused(Floats x, Floats y, Floats z) {
  return reinterpret_cast<Floats>(_mm512_fmadd_ps(reinterpret_cast<__m512>(x), reinterpret_cast<__m512>(y),
                                                  reinterpret_cast<__m512>(z)));
}

FLAMBEAU_INLINE Floats root(Floats x) {
  return reinterpret_cast<Floats>(_mm512_sqrt_ps(reinterpret_cast<__m512>(x)));
}

#else

FLAMBEAU_INLINE Floats fused(Floats x, Floats y, Floats z) {
  for (int lane = 0; lane < kLanes; ++lane) x[lane] = __builtin_fmaf(x[lane], y[lane], z[lane]);
  return x;
}

FLAMBEAU_INLINE Floats root(Floats x) {
  for (int lane = 0; lane < kLanes; ++lane) x[lane] = __builtin_sqrtf(x[lane]);
  return x;
}

#endif

FLAMBEAU_INLINE Whole bits_of(Floats x) {
  Whole bits;
  std::memcpy(&bits, &x, sizeof bits);
  return bits;
}

FLAMBEAU_INLINE Floats floats_of(Whole bits) {
  Floats x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}

template <int kCount>
FLAMBEAU_INLINE Floats polynomial(const float (&coefficients)[kCount], Floats x) {
  Floats result = all(coefficients[0]);
  for (int at = 1; at < kCount; ++at) result = fused(result, x, all(coefficients[at]));
  return result;
}

// sqrt(-2 ln(1 - n / 2**24)).
FLAMBEAU_INLINE Floats radius(Whole n) {
  constexpr int32_t kOne = 0x3F800000, kRootHalf = 0x3F3504F3, kFraction = (1 << 23) - 1, kBias = 127 + 24;
  static constexpr float kLogarithm[] = {7.0376836292e-2f,  -1.1514610310e-1f, 1.1676998740e-1f,
                                         -1.2420140846e-1f, 1.4249322787e-1f,  -1.6668057665e-1f,
                                         2.0000714765e-1f,  -2.4999993993e-1f, 3.3333331174e-1f};
  Whole bits = bits_of(__builtin_convertvector((1 << 24) - n, Floats));
  bits += kOne - kRootHalf - (kBias << 23);
  const Floats exponent = __builtin_convertvector(bits >> 23, Floats);
  Floats value = floats_of((bits & kFraction) + kRootHalf) - 1.0f;
  const Floats square = value * value;
  Floats series = polynomial(kLogarithm, value) * value;
  series = fused(series, square, exponent * -2.12194440e-4f);
  value += series - square * 0.5f;
  return root((value + exponent * 0.693359375f) * -2.0f);
}

// The cosine and the sine of 2 pi n / 2**24.
FLAMBEAU_INLINE void waves(Whole n, Floats* cosine, Floats* sine) {
  static constexpr float kSine[] = {-1.9515295891e-4f, 8.3321608736e-3f, -1.6666654611e-1f};
  static constexpr float kCosine[] = {2.443315711809948e-5f, -1.388731625493765e-3f, 4.166664568298827e-2f};
  // pi / 2 in three parts, whose sum and its small multiples are exact in double precision
  constexpr double kHalfPi =
      2.0 * (static_cast<double>(0.78515625f) + static_cast<double>(2.4187564849853515625e-4f) +
             static_cast<double>(3.77489497744594108e-8f));
  constexpr float kTurn = 6.28318530717958647692f * (1.0f / (1 << 24));
  Floats angle = __builtin_convertvector(n, Floats) * kTurn;
  Whole octants = n + (1 << 21);
  const Doubles turned = __builtin_convertvector(octants >> 22, Doubles) * kHalfPi;
  angle = __builtin_convertvector(__builtin_convertvector(angle, Doubles) - turned, Floats);
  const Floats square = angle * angle;
  const Floats even = polynomial(kCosine, square) * square, odd = polynomial(kSine, square) * square;
  Whole x = bits_of(fused(even, square, square * -0.5f) + 1.0f), y = bits_of(fused(odd, angle, angle));
  const Whole swapped = (x ^ y) & (octants << 9 >> 31);
  constexpr int32_t kSign = INT32_MIN;
  *sine = floats_of(y ^ swapped ^ (octants << 8 & kSign));
  *cosine = floats_of(x ^ swapped ^ ((octants + (1 << 22)) << 8 & kSign));
}

// Two groups of sixteen words into as many normal values, of which `count` are wanted: of each group, the first half of
// the words are radii, the others angles.
FLAMBEAU_INLINE void transform(const uint32_t* words, float mean, float deviation, int64_t count, float* to) {
  constexpr int64_t kHalf = kGroup / 2;
  uint32_t radii[kGroup], angles[kGroup];
  float cosines[kGroup], sines[kGroup];
  for (int64_t group = 0; group < 2; ++group) {
    std::copy_n(words + group * kGroup, kHalf, radii + group * kHalf);
    std::copy_n(words + group * kGroup + kHalf, kHalf, angles + group * kHalf);
  }
  for (int64_t at = 0; at < kGroup; at += kLanes) {
    const auto wanted = [&](const uint32_t* from) {
      Whole found;
      std::memcpy(&found, from + at, sizeof found);
      return found & (1 << 24) - 1;
    };
    Floats cosine, sine;
    waves(wanted(angles), &cosine, &sine);
    const Floats by = radius(wanted(radii));
    store(cosines + at, fused(cosine * by, all(deviation), all(mean)));
    store(sines + at, fused(sine * by, all(deviation), all(mean)));
  }
  for (int64_t group = 0; group < count / kGroup; ++group) {
    std::copy_n(cosines + group * kHalf, kHalf, to + group * kGroup);
    std::copy_n(sines + group * kHalf, kHalf, to + group * kGroup + kHalf);
  }
}

}  // namespace
}  // namespace flambeau

#pragma GCC visibility push(default)

// Draws `count` values, whole groups of sixteen; returns the position in the key, which is moved on, too.
extern "C" int64_t flambeau_normals(uint32_t* key, int64_t position, int64_t count, float mean, float deviation,
                                    float* to) {
  using namespace flambeau;
  Twister twister(key, position);
  for (int64_t at = 0; at < count; at += 2 * kGroup) {
    uint32_t words[2 * kGroup] = {};
    const int64_t some = std::min(2 * kGroup, count - at);
    twister.draw(words, some);
    transform(words, mean, deviation, some, to + at);
  }
  return twister.position();
}

#pragma GCC visibility pop
