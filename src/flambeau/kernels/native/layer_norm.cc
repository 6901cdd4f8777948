// Layer and root mean square normalization of rows, and all of their gradients in one pass.
#include <algorithm>
#include <cmath>
#include <cstdint>

#include "buffers.h"
#include "pages.h"
#include "parallel.h"
#include "vectors.h"
#include "workspace.h"
#include "xla/ffi/api/ffi.h"

namespace flambeau {
namespace {

namespace ffi = xla::ffi;

constexpr int64_t kWorthAThread = 20000;  // elements
constexpr int64_t kBlock = 32;            // rows whose gradients of the weight are added up apart

// What a row is normalized by: (x - mean) * scale.
struct Statistics {
  float mean, scale;
};

FLAMBEAU_INLINE Statistics statistics(const float* x, int64_t width, bool centered, float eps) {
  float mean = 0;
  if (centered) {
    Floats total = all(0);
    for (int64_t at = 0; at < width; at += kLanes) total += load(x + at, width - at);
    mean = sum(total) / width;
  }
  Floats squares = all(0);
  for (int64_t at = 0; at < width; at += kLanes) {
    const Floats distance = load(x + at, width - at, mean) - mean;
    squares += distance * distance;
  }
  return {mean, 1 / std::sqrt(sum(squares) / width + eps)};
}

void normalize(const float* x, const float* weight, const float* bias, int64_t rows, int64_t width, bool centered,
               float eps, float* y) {
  for (; rows > 0; --rows, x += width, y += width) {
    const Statistics row = statistics(x, width, centered, eps);
    for (int64_t at = 0; at < width; at += kLanes) {
      const int64_t count = width - at;
      const Floats scaled = (load(x + at, count) - row.mean) * row.scale;
      store(y + at, scaled * load(weight + at, count) + load(bias + at, count), count);
    }
  }
}

// With s the normalized row and g the gradient times the weight, that of x is (g - mean(g) - s mean(g s)) * scale.
void pull_back(const float* x, const float* weight, const float* gradient, int64_t rows, int64_t width, bool centered,
               float eps, float* result, float* of_weight, float* of_bias) {
  for (; rows > 0; --rows, x += width, gradient += width, result += width) {
    const Statistics row = statistics(x, width, centered, eps);
    Floats total = all(0), along = all(0);
    for (int64_t at = 0; at < width; at += kLanes) {
      const int64_t count = width - at;
      const Floats given = load(gradient + at, count), scaled = (load(x + at, count, row.mean) - row.mean) * row.scale;
      const Floats inner = given * load(weight + at, count);
      store(of_weight + at, load(of_weight + at, count) + given * scaled, count);
      store(of_bias + at, load(of_bias + at, count) + given, count);
      total += inner;
      along += inner * scaled;
    }
    const float mean = centered ? sum(total) / width : 0, slope = sum(along) / width;
    for (int64_t at = 0; at < width; at += kLanes) {
      const int64_t count = width - at;
      const Floats scaled = (load(x + at, count) - row.mean) * row.scale;
      const Floats inner = load(gradient + at, count) * load(weight + at, count);
      store(result + at, (inner - mean - scaled * slope) * row.scale, count);
    }
  }
}

void add(const float* x, int64_t size, float* total) {
  for (int64_t at = 0; at < size; ++at) total[at] += x[at];
}

int64_t parts(ffi::ThreadPool& pool, int64_t rows, int64_t width) {
  const int64_t threads = std::min<int64_t>({pool.num_threads(), rows * width / kWorthAThread, rows});
  return threads < 2 ? 1 : std::min(rows, 2 * threads);
}

// (x (rows, width), weight, bias, eps) -> the rows normalized; by their root mean square unless `centered`.
ffi::Error layer_norm(ffi::ThreadPool pool, ffi::AnyBuffer x, ffi::AnyBuffer weight, ffi::AnyBuffer bias,
                      ffi::AnyBuffer eps, ffi::Result<ffi::AnyBuffer> result, int64_t centered) {
  const int64_t rows = x.dimensions()[0], width = x.dimensions()[1], count = parts(pool, rows, width);
  const float *from = floats(x), *by = floats(weight), *plus = floats(bias), least = *floats(eps);
  in_large_pages(*result);
  float* to = floats(*result);
  spread(pool, count, pool.num_threads(), [&](int index) {
    const int64_t begin = rows * index / count, end = rows * (index + 1) / count;
    normalize(from + begin * width, by, plus, end - begin, width, centered, least, to + begin * width);
  });
  return ffi::Error::Success();
}

// (x, weight, eps, gradient) -> the gradients of x, weight and bias.
ffi::Error layer_norm_gradients(ffi::ThreadPool pool, ffi::AnyBuffer x, ffi::AnyBuffer weight, ffi::AnyBuffer eps,
                                ffi::AnyBuffer gradient, ffi::Result<ffi::AnyBuffer> of_x,
                                ffi::Result<ffi::AnyBuffer> of_weight, ffi::Result<ffi::AnyBuffer> of_bias,
                                int64_t centered) {
  const int64_t rows = x.dimensions()[0], width = x.dimensions()[1], count = parts(pool, rows, width);
  const float *from = floats(x), *by = floats(weight), *given = floats(gradient), least = *floats(eps);
  in_large_pages(*of_x);
  float *to = floats(*of_x), *weights = floats(*of_weight), *biases = floats(*of_bias);
  // For each part the sums of all its rows, and those of a block.
  Workspace space(count * 4 * width * sizeof(float));
  float* sums = reinterpret_cast<float*>(space.data());
  spread(pool, count, pool.num_threads(), [&](int index) {
    float *total = sums + index * 4 * width, *block = total + 2 * width;
    std::fill_n(total, 2 * width, 0.0f);
    const int64_t last = rows * (index + 1) / count;
    for (int64_t begin = rows * index / count; begin < last; begin += kBlock) {
      const int64_t at = begin * width;
      std::fill_n(block, 2 * width, 0.0f);
      pull_back(from + at, by, given + at, std::min(kBlock, last - begin), width, centered, least, to + at, block,
                block + width);
      add(block, 2 * width, total);
    }
  });
  std::copy_n(sums, width, weights);
  std::copy_n(sums + width, width, biases);
  for (int64_t index = 1; index < count; ++index) {
    add(sums + index * 4 * width, width, weights);
    add(sums + (index * 4 + 1) * width, width, biases);
  }
  return ffi::Error::Success();
}

}  // namespace
}  // namespace flambeau

#pragma GCC visibility push(default)

XLA_FFI_DEFINE_HANDLER_SYMBOL(flambeau_layer_norm, flambeau::layer_norm,
                              xla::ffi::Ffi::Bind()
                                  .Ctx<xla::ffi::ThreadPool>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Ret<xla::ffi::AnyBuffer>()
                                  .Attr<int64_t>("centered"));

XLA_FFI_DEFINE_HANDLER_SYMBOL(flambeau_layer_norm_gradients, flambeau::layer_norm_gradients,
                              xla::ffi::Ffi::Bind()
                                  .Ctx<xla::ffi::ThreadPool>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Ret<xla::ffi::AnyBuffer>()
                                  .Ret<xla::ffi::AnyBuffer>()
                                  .Ret<xla::ffi::AnyBuffer>()
                                  .Attr<int64_t>("centered"));

#pragma GCC visibility pop
