// Sums over everything but the channels: mean and variance of a batch, and what their gradient needs.
#include <algorithm>
#include <cstdint>
#include <vector>

#include "buffers.h"
#include "parallel.h"
#include "xla/ffi/api/ffi.h"

namespace flambeau {
namespace {

namespace ffi = xla::ffi;

// Where the elements of a channel are: `images` runs of `length` elements, `step` apart.
// Planes: channel c begins at c * length, runs are channels * length apart, and elements are neighbors (step 1).
// Last: all is one run of rows, and neighbors are channels apart (step = channels).
template <typename Number>
struct View {
  const Number* data;
  int64_t images, channels, length;
  bool last;
  double count() const { return static_cast<double>(images) * length; }
};

// What is known of the channels after some of the rows.
struct Totals {
  std::vector<double> first, second;
  double count = 0;
  explicit Totals(int64_t channels) : first(channels), second(channels) {}
};

// Over rows of `width` (at most 16) neighboring channels: their mean, nearly; the sum of the distances from it, which says
// how nearly; and of the squared distances.
template <typename Number>
void moments_of_rows(const Number* x, int64_t rows, int64_t step, int64_t width, float* mean, float* rest,
                     float* squares) {
  float sum[kLanes] = {}, near[kLanes] = {}, left[kLanes] = {}, square[kLanes] = {};
  const auto add = [&](int64_t row, int64_t lanes) {
    for (int64_t lane = 0; lane < lanes; ++lane) sum[lane] += x[row * step + lane];
  };
  const auto add_squares = [&](int64_t row, int64_t lanes) {
    for (int64_t lane = 0; lane < lanes; ++lane) {
      const float distance = x[row * step + lane] - near[lane];
      left[lane] += distance;
      square[lane] += distance * distance;
    }
  };
  const bool whole = width == kLanes;  // a constant number of lanes stays in registers
  for (int64_t row = 0; row < rows; ++row) whole ? add(row, kLanes) : add(row, width);
  for (int64_t lane = 0; lane < kLanes; ++lane) near[lane] = sum[lane] / rows;
  for (int64_t row = 0; row < rows; ++row) whole ? add_squares(row, kLanes) : add_squares(row, width);
  std::copy(near, near + kLanes, mean);
  std::copy(left, left + kLanes, rest);
  std::copy(square, square + kLanes, squares);
}

// Sums over rows of `width` neighboring channels: of y, and of y times the distance of x from its mean.
template <typename Number>
void products_of_rows(const Number* y, const Number* x, const float* mean, int64_t rows, int64_t step, int64_t width,
                      float* first, float* second) {
  float sum[kLanes] = {}, sum2[kLanes] = {};
  if (width == kLanes) {
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t lane = 0; lane < kLanes; ++lane) {
        const float value = y[row * step + lane];
        sum[lane] += value;
        sum2[lane] += value * (x[row * step + lane] - mean[lane]);
      }
    }
  } else {
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t lane = 0; lane < width; ++lane) {
        const float value = y[row * step + lane];
        sum[lane] += value;
        sum2[lane] += value * (x[row * step + lane] - mean[lane]);
      }
    }
  }
  std::copy(sum, sum + kLanes, first);
  std::copy(sum2, sum2 + kLanes, second);
}

// Sum of a run of neighbors.
template <typename Number>
double sum_of_run(const Number* x, int64_t count) {
  float lanes[kLanes] = {};
  int64_t at = 0;
  for (; at + kLanes <= count; at += kLanes) {
    for (int64_t lane = 0; lane < kLanes; ++lane) lanes[lane] += x[at + lane];
  }
  for (int64_t lane = 0; at < count; ++at, ++lane) lanes[lane] += x[at];
  double total = 0;
  for (float value : lanes) total += value;
  return total;
}

// Sum of y times the distance of x from its mean.
template <typename Number>
double product_of_run(const Number* y, float y_mean, const Number* x, float mean, int64_t count) {
  float lanes[kLanes] = {};
  int64_t at = 0;
  for (; at + kLanes <= count; at += kLanes) {
    for (int64_t lane = 0; lane < kLanes; ++lane) lanes[lane] += (y[at + lane] - y_mean) * (x[at + lane] - mean);
  }
  for (int64_t lane = 0; at < count; ++at, ++lane) lanes[lane] += (y[at] - y_mean) * (x[at] - mean);
  double total = 0;
  for (float value : lanes) total += value;
  return total;
}

constexpr int64_t kRows = 128;    // rows summed as float, before they are added to a double
constexpr int64_t kRun = 4096;    // elements of a plane, the same
constexpr int64_t kWorth = 65536;  // elements; below, waking a thread takes longer

// Calls work(piece, begin, end) for ranges of 0 ... size.
template <typename Work>
int spread_range(ffi::ThreadPool& pool, int64_t size, int64_t unit, int64_t elements, const Work& work) {
  const int64_t units = (size + unit - 1) / unit;
  const int64_t threads = std::max<int64_t>(1, pool.num_threads());
  const int pieces = static_cast<int>(std::max<int64_t>(1, std::min({threads, units, elements / kWorth})));
  spread(pool, pieces, static_cast<int>(threads), [&](int piece) {
    work(piece, units * piece / pieces * unit, std::min(size, units * (piece + 1) / pieces * unit));
  });
  return pieces;
}

// Means and sums of squared distances of two sets of numbers, put together (Chan, Golub and LeVeque 1979).
void merge(Totals& total, const Totals& part) {
  if (part.count == 0) return;
  const double count = total.count + part.count, share = part.count / count;
  for (size_t at = 0; at < total.first.size(); ++at) {
    const double distance = part.first[at] - total.first[at];
    total.first[at] += distance * share;
    total.second[at] += part.second[at] + distance * distance * total.count * share;
  }
  total.count = count;
}

template <typename Number>
void moments_last(ffi::ThreadPool& pool, const View<Number>& x, Totals& total) {
  const int64_t rows = x.images * x.length, channels = x.channels;
  std::vector<Totals> parts(std::max<int64_t>(1, pool.num_threads()), Totals(channels));
  const int pieces = spread_range(pool, rows, kRows, rows * channels, [&](int piece, int64_t begin, int64_t end) {
    Totals block(channels);
    for (int64_t row = begin; row < end; row += kRows) {
      const int64_t count = std::min(kRows, end - row);
      for (int64_t channel = 0; channel < channels; channel += kLanes) {
        const int64_t width = std::min(kLanes, channels - channel);
        float mean[kLanes], rest[kLanes], squares[kLanes];
        moments_of_rows(x.data + row * channels + channel, count, channels, width, mean, rest, squares);
        for (int64_t lane = 0; lane < width; ++lane) {
          const double share = static_cast<double>(rest[lane]) / count;
          block.first[channel + lane] = mean[lane] + share;
          block.second[channel + lane] = squares[lane] - share * rest[lane];
        }
      }
      block.count = static_cast<double>(count);
      merge(parts[piece], block);
    }
  });
  for (int piece = 0; piece < pieces; ++piece) merge(total, parts[piece]);
}

template <typename Number, typename Work>
double over_runs(const View<Number>& x, int64_t channel, const Work& work) {
  double total = 0;
  for (int64_t image = 0; image < x.images; ++image) {
    const int64_t start = (image * x.channels + channel) * x.length;
    for (int64_t at = 0; at < x.length; at += kRun) total += work(start + at, std::min(kRun, x.length - at));
  }
  return total;
}

template <typename Number>
void moments_planes(ffi::ThreadPool& pool, const View<Number>& x, Totals& total) {
  spread_range(pool, x.channels, 1, x.count() * x.channels, [&](int, int64_t begin, int64_t end) {
    for (int64_t channel = begin; channel < end; ++channel) {
      const double mean = over_runs(x, channel, [&](int64_t at, int64_t count) {
        return sum_of_run(x.data + at, count);
      }) / x.count();
      const auto near = static_cast<float>(mean);
      total.first[channel] = mean;
      total.second[channel] = over_runs(x, channel, [&](int64_t at, int64_t count) {
        return product_of_run(x.data + at, near, x.data + at, near, count);
      });
    }
  });
}

template <typename Number>
void products_last(ffi::ThreadPool& pool, const View<Number>& y, const Number* x, const float* mean, Totals& total) {
  const int64_t rows = y.images * y.length, channels = y.channels;
  std::vector<Totals> parts(std::max<int64_t>(1, pool.num_threads()), Totals(channels));
  const int pieces = spread_range(pool, rows, kRows, rows * channels, [&](int piece, int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; row += kRows) {
      for (int64_t channel = 0; channel < channels; channel += kLanes) {
        const int64_t width = std::min(kLanes, channels - channel), start = row * channels + channel;
        float first[kLanes], second[kLanes];
        products_of_rows(y.data + start, x + start, mean + channel, std::min(kRows, end - row), channels, width, first,
                         second);
        for (int64_t lane = 0; lane < width; ++lane) {
          parts[piece].first[channel + lane] += first[lane];
          parts[piece].second[channel + lane] += second[lane];
        }
      }
    }
  });
  for (int piece = 0; piece < pieces; ++piece) {
    for (int64_t channel = 0; channel < channels; ++channel) {
      total.first[channel] += parts[piece].first[channel];
      total.second[channel] += parts[piece].second[channel];
    }
  }
}

template <typename Number>
void products_planes(ffi::ThreadPool& pool, const View<Number>& y, const Number* x, const float* mean, Totals& total) {
  spread_range(pool, y.channels, 1, y.count() * y.channels, [&](int, int64_t begin, int64_t end) {
    for (int64_t channel = begin; channel < end; ++channel) {
      total.first[channel] =
          over_runs(y, channel, [&](int64_t at, int64_t count) { return sum_of_run(y.data + at, count); });
      total.second[channel] = over_runs(y, channel, [&](int64_t at, int64_t count) {
        return product_of_run(y.data + at, 0, x + at, mean[channel], count);
      });
    }
  });
}

template <typename Number>
View<Number> view(ffi::AnyBuffer x, bool last) {
  const auto sizes = x.dimensions();
  int64_t length = 1;
  for (size_t axis = 2; axis < sizes.size(); ++axis) length *= sizes[axis];
  return {numbers<Number>(x), sizes[0], sizes[1], length, last || length == 1};
}

// x -> mean and variance (divided by the number of elements) of each channel.
ffi::Error moments(ffi::ThreadPool pool, int64_t last, int64_t, ffi::AnyBuffer x, ffi::Result<ffi::AnyBuffer> mean,
                   ffi::Result<ffi::AnyBuffer> variance) {
  by_type(x, [&](auto zero) {
    const auto all = view<decltype(zero)>(x, last != 0);
    Totals total(all.channels);
    all.last ? moments_last(pool, all, total) : moments_planes(pool, all, total);
    for (int64_t channel = 0; channel < all.channels; ++channel) {
      floats(*mean)[channel] = static_cast<float>(total.first[channel]);
      floats(*variance)[channel] = static_cast<float>(total.second[channel] / all.count());
    }
  });
  return ffi::Error::Success();
}

// (y, x, mean) -> for each channel the sum of y, and of y * (x - mean).
ffi::Error products(ffi::ThreadPool pool, int64_t last, int64_t, ffi::AnyBuffer y, ffi::AnyBuffer x, ffi::AnyBuffer mean,
                    ffi::Result<ffi::AnyBuffer> first, ffi::Result<ffi::AnyBuffer> second) {
  by_type(y, [&](auto zero) {
    using Number = decltype(zero);
    const auto all = view<Number>(y, last != 0);
    Totals total(all.channels);
    all.last ? products_last(pool, all, numbers<Number>(x), floats(mean), total)
             : products_planes(pool, all, numbers<Number>(x), floats(mean), total);
    std::copy(total.first.begin(), total.first.end(), floats(*first));
    std::copy(total.second.begin(), total.second.end(), floats(*second));
  });
  return ffi::Error::Success();
}

}  // namespace
}  // namespace flambeau

#pragma GCC visibility push(default)

XLA_FFI_DEFINE_HANDLER_SYMBOL(flambeau_moments, flambeau::moments,
                              xla::ffi::Ffi::Bind()
                                  .Ctx<xla::ffi::ThreadPool>()
                                  .Attr<int64_t>("last")
                                  .Attr<int64_t>("products")  // for counting what is computed; not read here
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Ret<xla::ffi::AnyBuffer>()
                                  .Ret<xla::ffi::AnyBuffer>());

XLA_FFI_DEFINE_HANDLER_SYMBOL(flambeau_products, flambeau::products,
                              xla::ffi::Ffi::Bind()
                                  .Ctx<xla::ffi::ThreadPool>()
                                  .Attr<int64_t>("last")
                                  .Attr<int64_t>("products")  // for counting what is computed; not read here
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Ret<xla::ffi::AnyBuffer>()
                                  .Ret<xla::ffi::AnyBuffer>());

#pragma GCC visibility pop
