// The product of a few rows with a transposed weight that no cache holds: what counts is to read the weight once.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>

#include "vectors.h"

namespace flambeau {

constexpr int64_t kFewRows = 8;        // more, and rearranging the weight pays
constexpr int64_t kLarge = 2 << 20;    // numbers of a weight
constexpr int64_t kInputsAtOnce = 4096;  // of which the rows stay in a core's cache

// Adds to y (kRows, kOutputs) x (kRows, count) times the transposed weight (kOutputs, count); rows lie `row` apart.
template <int kRows, int kOutputs>
void some_outputs(const float* x, const float* weight, int64_t count, int64_t row, float* y, int64_t y_row) {
  Floats sums[kRows][kOutputs] = {};
  const auto add = [&](int64_t at, const auto& loaded) {
    Floats factors[kOutputs];
    for (int output = 0; output < kOutputs; ++output) factors[output] = loaded(weight + output * row + at);
    for (int index = 0; index < kRows; ++index) {
      const Floats values = loaded(x + index * row + at);
      for (int output = 0; output < kOutputs; ++output) sums[index][output] += values * factors[output];
    }
  };
  const int64_t whole = count / kLanes * kLanes;
  for (int64_t at = 0; at < whole; at += kLanes) add(at, [](const float* from) { return load(from); });
  if (whole < count) add(whole, [&](const float* from) { return load(from, count - whole); });
  for (int index = 0; index < kRows; ++index) {
    for (int output = 0; output < kOutputs; ++output) y[index * y_row + output] += sum(sums[index][output]);
  }
}

template <int kRows>
void all_outputs(const float* x, const float* weight, int64_t inputs, int64_t outputs, float* y, int64_t y_row) {
  constexpr int kTogether = 3;
  for (int64_t begin = 0; begin < inputs; begin += kInputsAtOnce) {
    const int64_t count = std::min(kInputsAtOnce, inputs - begin);
    int64_t output = 0;
    for (; output + kTogether <= outputs; output += kTogether) {
      some_outputs<kRows, kTogether>(x + begin, weight + output * inputs + begin, count, inputs, y + output, y_row);
    }
    for (; output < outputs; ++output) {
      some_outputs<kRows, 1>(x + begin, weight + output * inputs + begin, count, inputs, y + output, y_row);
    }
  }
}

// Adds to y (rows, outputs) x (rows, inputs) times the transposed weight (outputs, inputs).
template <int... kCounts>
void few_rows(std::integer_sequence<int, kCounts...>, int64_t rows, const float* x, const float* weight,
              int64_t inputs, int64_t outputs, float* y, int64_t y_row) {
  static constexpr decltype(&all_outputs<1>) known[] = {all_outputs<kCounts + 1>...};
  known[rows - 1](x, weight, inputs, outputs, y, y_row);
}

inline void few_rows(int64_t rows, const float* x, const float* weight, int64_t inputs, int64_t outputs, float* y,
                     int64_t y_row) {
  few_rows(std::make_integer_sequence<int, kFewRows>(), rows, x, weight, inputs, outputs, y, y_row);
}

}  // namespace flambeau
