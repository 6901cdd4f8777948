// The updates of optimizers: all parameters of a group in one call, in place, each number read and written once.
//
// Products and sums round as in the formulas in plain XLA, where of two products in a sum the first is not rounded.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "buffers.h"
#include "parallel.h"
#include "xla/ffi/api/ffi.h"

namespace flambeau {
namespace {

namespace ffi = xla::ffi;

constexpr int kMost = 5;  // arrays of one parameter: itself, its gradient, its states

inline float fused(float x, float y, float z) { return __builtin_fmaf(x, y, z); }

// Numbers: sign, rate, decay, momentum, kept, fresh. Arrays: parameter, gradient, and with momentum a buffer.
template <bool kDecays, bool kMomentum, bool kNesterov>
void descend(const float* numbers, float* const* arrays, int64_t begin, int64_t end) {
  const float sign = numbers[0], rate = numbers[1], decay = numbers[2], momentum = numbers[3], kept = numbers[4],
              fresh = numbers[5];
  float* parameter = arrays[0];
  const float* gradient = arrays[1];
  float* buffer = kMomentum ? arrays[2] : nullptr;
  for (int64_t at = begin; at < end; ++at) {
    float slope = sign * gradient[at];
    if (kDecays) slope = fused(decay, parameter[at], slope);
    if (kMomentum) {
      const float direction = fused(fresh, slope, kept * buffer[at]);
      buffer[at] = direction;
      slope = kNesterov ? fused(momentum, direction, slope) : direction;
    }
    parameter[at] = fused(-rate, slope, parameter[at]);
  }
}

// Numbers: sign, size, decay, fresh_mean, kept_square, fresh_square, correction, epsilon. Arrays: parameter, gradient,
// mean, mean square, and with AMSGrad the largest mean square.
template <bool kDecays, bool kDecoupled, bool kLargest>
void adapt(const float* numbers, float* const* arrays, int64_t begin, int64_t end) {
  const float sign = numbers[0], size = numbers[1], decay = numbers[2], fresh_mean = numbers[3],
              kept_square = numbers[4], fresh_square = numbers[5], correction = numbers[6], epsilon = numbers[7];
  const bool near = fresh_mean < 0.5f;
  const float kept_mean = 1 - fresh_mean;
  float *parameter = arrays[0], *mean = arrays[2], *square = arrays[3], *largest = kLargest ? arrays[4] : nullptr;
  const float* gradient = arrays[1];
  for (int64_t at = begin; at < end; ++at) {
    float slope = sign * gradient[at], here = parameter[at];
    if (kDecays && kDecoupled) here = fused(here, decay, -0.0f);  // a product that no sum may swallow
    if (kDecays && !kDecoupled) slope = fused(decay, here, slope);
    const float way = slope - mean[at];
    const float middle = near ? fused(fresh_mean, way, mean[at]) : fused(-way, kept_mean, slope);
    float second = fused(fresh_square * slope, slope, kept_square * square[at]);
    mean[at] = middle;
    square[at] = second;
    if (kLargest) second = largest[at] = largest[at] > second || largest[at] != largest[at] ? largest[at] : second;
    parameter[at] = here - size * middle / (std::sqrt(second) / correction + epsilon);
  }
}

typedef void (*Rule)(const float* numbers, float* const* arrays, int64_t begin, int64_t end);

// Arguments: the numbers, then all parameters, all gradients, all of each state. Results: those but the gradients.
ffi::Error update(ffi::ThreadPool& pool, ffi::RemainingArgs& arguments, ffi::RemainingRets& results, int64_t count,
                  Rule rule) {
  constexpr int64_t kWorthAThread = 100000;  // numbers of parameters
  constexpr int64_t kPiecesAThread = 2, kLine = 64;
  const int64_t kinds = (static_cast<int64_t>(arguments.size()) - 1) / count;
  if (kinds < 2 || kinds > kMost) return ffi::Error::InvalidArgument("wrong number of arrays");
  const float* numbers = floats(*arguments.get<ffi::AnyBuffer>(0));
  std::vector<float*> arrays(count * kMost);
  std::vector<int64_t> ends(count);
  int64_t total = 0;
  for (int64_t index = 0; index < count; ++index) {
    for (int64_t kind = 0; kind < kinds; ++kind) {
      float* given = floats(*arguments.get<ffi::AnyBuffer>(1 + kind * count + index));
      arrays[index * kMost + kind] = given;
      if (kind != 1 && given != floats(**results.get<ffi::AnyBuffer>((kind - (kind > 1)) * count + index)))
        return ffi::Error::Internal("an update has to be in place");
    }
    ends[index] = total += arguments.get<ffi::AnyBuffer>(1 + index)->element_count();
  }
  const int64_t threads = std::max<int64_t>(1, std::min<int64_t>(pool.num_threads(), total / kWorthAThread));
  const int64_t pieces = threads == 1 ? 1 : threads * kPiecesAThread;
  const int64_t step = (total / pieces / kLine + 1) * kLine;
  spread(pool, pieces, threads, [&](int piece) {
    int64_t at = piece * step;
    const int64_t last = std::min(total, at + step);
    for (int64_t index = std::upper_bound(ends.begin(), ends.end(), at) - ends.begin(); at < last; ++index) {
      const int64_t start = index == 0 ? 0 : ends[index - 1], end = std::min(last, ends[index]);
      rule(numbers, &arrays[index * kMost], at - start, end - start);
      at = end;
    }
  });
  return ffi::Error::Success();
}

// Flags: 1 there is weight decay, 2 momentum is Nesterov's.
ffi::Error sgd(ffi::ThreadPool pool, ffi::RemainingArgs arguments, ffi::RemainingRets results, int64_t count,
               int64_t flags) {
  static constexpr Rule kRules[] = {descend<false, false, false>, descend<true, false, false>,
                                    descend<false, true, false>,  descend<true, true, false>,
                                    descend<false, true, true>,   descend<true, true, true>};
  const bool momentum = static_cast<int64_t>(arguments.size()) == 1 + 3 * count;
  return update(pool, arguments, results, count, kRules[(flags & 1) + (momentum ? 2 + (flags & 2) : 0)]);
}

// Flags: 1 there is weight decay, 2 it is decoupled.
ffi::Error adam(ffi::ThreadPool pool, ffi::RemainingArgs arguments, ffi::RemainingRets results, int64_t count,
                int64_t flags) {
  static constexpr Rule kRules[] = {adapt<false, false, false>, adapt<true, false, false>, adapt<true, true, false>,
                                    adapt<false, false, true>,  adapt<true, false, true>,  adapt<true, true, true>};
  const bool largest = static_cast<int64_t>(arguments.size()) == 1 + 5 * count;
  const int64_t decay = flags & 1 ? 1 + (flags >> 1 & 1) : 0;
  return update(pool, arguments, results, count, kRules[decay + (largest ? 3 : 0)]);
}

}  // namespace
}  // namespace flambeau

#pragma GCC visibility push(default)

XLA_FFI_DEFINE_HANDLER_SYMBOL(flambeau_sgd, flambeau::sgd,
                              xla::ffi::Ffi::Bind()
                                  .Ctx<xla::ffi::ThreadPool>()
                                  .RemainingArgs()
                                  .RemainingRets()
                                  .Attr<int64_t>("count")
                                  .Attr<int64_t>("flags"));

XLA_FFI_DEFINE_HANDLER_SYMBOL(flambeau_adam, flambeau::adam,
                              xla::ffi::Ffi::Bind()
                                  .Ctx<xla::ffi::ThreadPool>()
                                  .RemainingArgs()
                                  .RemainingRets()
                                  .Attr<int64_t>("count")
                                  .Attr<int64_t>("flags"));

#pragma GCC visibility pop
