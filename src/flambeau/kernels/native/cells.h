// What one step of a recurrent layer computes, forward and back, for a vector of units of one sequence.
//
// A cell has so many gates, and leaves so many numbers a unit for the way back. `x` and `h` are what its gates get from
// the inputs and from the hidden state; `state` is what else the way back reads: the memory before the step (LSTM), the
// hidden state before it (GRU), or the output. `later` carries the gradient that does not go through the product: that
// of the memory, or the share of the hidden state that a GRU hands on as it is.
#pragma once

#include "vectors.h"

namespace flambeau {

FLAMBEAU_INLINE Floats sigmoid(Floats x) { return 1.0f / (1.0f + exponential(-x)); }

// Near zero a polynomial, since there the difference from 1 has few digits left.
FLAMBEAU_INLINE Floats hyperbolic_tangent(Floats x) {
  const Floats far = 1.0f - 2.0f / (1.0f + exponential(2.0f * x));
  const Floats square = x * x;
  Floats p = all(62.0f / 2835);
  p = p * square - 17.0f / 315;
  p = p * square + 2.0f / 15;
  p = p * square - 1.0f / 3;
  const Floats near = x + x * square * p;
  return square < all(0.0625f) ? near : far;
}

struct Lstm {
  static constexpr int kGates = 4, kKept = 4;
  static constexpr bool kMemory = true;   // whether there is a second state
  static constexpr bool kLater = true;    // whether `later` is used
  static constexpr bool kApart = false;   // whether x and h have gradients of their own

  FLAMBEAU_INLINE static Floats forward(const Floats* x, const Floats* h, Floats, Floats& memory, Floats* kept) {
    const Floats enter = sigmoid(x[0] + h[0]), forget = sigmoid(x[1] + h[1]);
    const Floats candidate = hyperbolic_tangent(x[2] + h[2]), leave = sigmoid(x[3] + h[3]);
    kept[0] = enter, kept[1] = forget, kept[2] = candidate, kept[3] = leave;
    memory = forget * memory + enter * candidate;
    return leave * hyperbolic_tangent(memory);
  }

  FLAMBEAU_INLINE static void backward(const Floats* kept, Floats memory, Floats wanted, Floats& later,
                                       Floats* for_x, Floats*) {
    const Floats enter = kept[0], forget = kept[1], candidate = kept[2], leave = kept[3];
    const Floats shown = hyperbolic_tangent(forget * memory + enter * candidate);
    const Floats through = later + wanted * leave * (1.0f - shown * shown);
    for_x[0] = through * candidate * enter * (1.0f - enter);
    for_x[1] = through * memory * forget * (1.0f - forget);
    for_x[2] = through * enter * (1.0f - candidate * candidate);
    for_x[3] = wanted * shown * leave * (1.0f - leave);
    later = through * forget;
  }
};

struct Gru {
  static constexpr int kGates = 3, kKept = 4;
  static constexpr bool kMemory = false, kLater = true, kApart = true;

  FLAMBEAU_INLINE static Floats forward(const Floats* x, const Floats* h, Floats hidden, Floats&, Floats* kept) {
    const Floats reset = sigmoid(x[0] + h[0]), update = sigmoid(x[1] + h[1]);
    const Floats fresh = hyperbolic_tangent(x[2] + reset * h[2]);
    kept[0] = reset, kept[1] = update, kept[2] = fresh, kept[3] = h[2];
    return fresh + update * (hidden - fresh);
  }

  FLAMBEAU_INLINE static void backward(const Floats* kept, Floats hidden, Floats wanted, Floats& later,
                                       Floats* for_x, Floats* for_h) {
    const Floats reset = kept[0], update = kept[1], fresh = kept[2];
    wanted += later;
    for_x[2] = wanted * (1.0f - update) * (1.0f - fresh * fresh);
    for_x[1] = for_h[1] = wanted * (hidden - fresh) * update * (1.0f - update);
    for_x[0] = for_h[0] = for_x[2] * kept[3] * reset * (1.0f - reset);
    for_h[2] = for_x[2] * reset;
    later = wanted * update;
  }
};

template <bool kRelu>
struct Plain {
  static constexpr int kGates = 1, kKept = 0;
  static constexpr bool kMemory = false, kLater = false, kApart = false;

  FLAMBEAU_INLINE static Floats forward(const Floats* x, const Floats* h, Floats, Floats&, Floats*) {
    return kRelu ? larger(x[0] + h[0], all(0)) : hyperbolic_tangent(x[0] + h[0]);
  }

  FLAMBEAU_INLINE static void backward(const Floats*, Floats output, Floats wanted, Floats&, Floats* for_x, Floats*) {
    for_x[0] = kRelu ? (output > 0.0f ? wanted : all(0)) : wanted * (1.0f - output * output);
  }
};

}  // namespace flambeau
