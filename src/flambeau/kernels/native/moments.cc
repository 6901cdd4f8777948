// Sums over everything but the channels: mean and variance of a batch, and what their gradient needs.
#include <algorithm>
#include <cstdint>
#include <vector>

#include "buffers.h"
#include "parallel.h"
#include "vectors.h"
#include "xla/ffi/api/ffi.h"

namespace flambeau {
namespace {

namespace ffi = xla::ffi;

// Where the elements of a channel are: `images` runs of `length` elements, `step` apart.
// Planes: channel c begins at c * length, runs are channels * length apart, and elements are neighbors (step 1).
// Last: all is one run of rows, and neighbors are channels apart (step = channels).
struct View {
  const float* data;
  int64_t images, channels, length;
  bool last;
  double count() const { return static_cast<double>(images) * length; }
  int64_t size() const { return images * channels * length; }
};

// What is known of the channels after some of the rows.
struct Totals {
  std::vector<double> first, second;
  double count = 0;
  explicit Totals(int64_t channels) : first(channels), second(channels) {}
};

// Over rows of `width` (at most 16) neighboring channels: their mean, nearly; the sum of the distances from it, which says
// how nearly; and of the squared distances.
void moments_of_rows(const float* x, int64_t rows, int64_t step, int64_t width, float* mean, float* rest,
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
void products_of_rows(const float* y, const float* x, const float* mean, int64_t rows, int64_t step, int64_t width,
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

double total_of(Floats values) {
  double total = 0;
  for (int64_t lane = 0; lane < kLanes; ++lane) total += values[lane];
  return total;
}

// Sum of work(place, count) for the vectors of a run. Four sums at once: the processor begins an addition before the
// one before it has ended.
template <typename Work>
double sum_over(int64_t count, const Work& work) {
  Floats sums[4] = {};
  int64_t at = 0;
  for (; at + 4 * kLanes <= count; at += 4 * kLanes) {
    for (int64_t part = 0; part < 4; ++part) sums[part] += work(at + part * kLanes, kLanes);
  }
  for (; at < count; at += kLanes) sums[0] += work(at, count - at);
  return total_of((sums[0] + sums[1]) + (sums[2] + sums[3]));
}

constexpr int64_t kRows = 128;    // rows summed as float, before they are added to a double
constexpr int64_t kRun = 4096;    // elements of a plane, the same
constexpr int64_t kWorth = 65536;  // elements; below, waking a thread takes longer

// Calls work(piece, begin, end) for ranges of 0 ... size.
template <typename Work>
int spread_range(ffi::ThreadPool& pool, int64_t size, int64_t unit, int64_t elements, const Work& work) {
  const int64_t units = up(size, unit);
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

void moments_of_part(const View& x, int64_t begin, int64_t end, Totals& total) {
  const int64_t channels = x.channels;
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
    merge(total, block);
  }
}

void moments_last(ffi::ThreadPool& pool, const View& x, Totals& total) {
  std::vector<Totals> parts(std::max<int64_t>(1, pool.num_threads()), Totals(x.channels));
  const int pieces =
      spread_range(pool, x.images * x.length, kRows, x.size(), [&](int piece, int64_t begin, int64_t end) {
        moments_of_part(x, begin, end, parts[piece]);
      });
  for (int piece = 0; piece < pieces; ++piece) merge(total, parts[piece]);
}

// Calls work(first element, count) for the runs of a channel.
template <typename Work>
void over_runs(const View& x, int64_t channel, const Work& work) {
  for (int64_t image = 0; image < x.images; ++image) {
    const int64_t start = (image * x.channels + channel) * x.length;
    for (int64_t at = 0; at < x.length; at += kRun) work(start + at, std::min(kRun, x.length - at));
  }
}

void moments_planes(ffi::ThreadPool& pool, const View& x, Totals& total) {
  spread_range(pool, x.channels, 1, x.size(), [&](int, int64_t begin, int64_t end) {
    for (int64_t channel = begin; channel < end; ++channel) {
      double sum = 0, squares = 0;
      over_runs(x, channel, [&](int64_t start, int64_t count) {
        sum += sum_over(count, [&](int64_t at, int64_t rest) { return load(x.data + start + at, rest); });
      });
      const auto mean = static_cast<float>(sum / x.count());
      over_runs(x, channel, [&](int64_t start, int64_t count) {
        squares += sum_over(count, [&](int64_t at, int64_t rest) {
          const Floats distance = load(x.data + start + at, rest, mean) - mean;
          return distance * distance;
        });
      });
      total.first[channel] = sum / x.count();
      total.second[channel] = squares;
    }
  });
}

void products_of_part(const View& y, const float* x, const float* mean, int64_t begin, int64_t end, Totals& total) {
  const int64_t channels = y.channels;
  for (int64_t row = begin; row < end; row += kRows) {
    for (int64_t channel = 0; channel < channels; channel += kLanes) {
      const int64_t width = std::min(kLanes, channels - channel), start = row * channels + channel;
      float first[kLanes], second[kLanes];
      products_of_rows(y.data + start, x + start, mean + channel, std::min(kRows, end - row), channels, width, first,
                       second);
      for (int64_t lane = 0; lane < width; ++lane) {
        total.first[channel + lane] += first[lane];
        total.second[channel + lane] += second[lane];
      }
    }
  }
}

void products_last(ffi::ThreadPool& pool, const View& y, const float* x, const float* mean, Totals& total) {
  std::vector<Totals> parts(std::max<int64_t>(1, pool.num_threads()), Totals(y.channels));
  const int pieces =
      spread_range(pool, y.images * y.length, kRows, y.size(), [&](int piece, int64_t begin, int64_t end) {
        products_of_part(y, x, mean, begin, end, parts[piece]);
      });
  for (int piece = 0; piece < pieces; ++piece) {
    for (int64_t channel = 0; channel < y.channels; ++channel) {
      total.first[channel] += parts[piece].first[channel];
      total.second[channel] += parts[piece].second[channel];
    }
  }
}

void products_planes(ffi::ThreadPool& pool, const View& y, const float* x, const float* mean, Totals& total) {
  spread_range(pool, y.channels, 1, y.size(), [&](int, int64_t begin, int64_t end) {
    for (int64_t channel = begin; channel < end; ++channel) {
      const float middle = mean[channel];
      over_runs(y, channel, [&](int64_t start, int64_t count) {
        total.second[channel] += sum_over(count, [&](int64_t at, int64_t rest) {
          return load(y.data + start + at, rest) * (load(x + start + at, rest) - middle);
        });
        total.first[channel] +=
            sum_over(count, [&](int64_t at, int64_t rest) { return load(y.data + start + at, rest); });
      });
    }
  });
}

View view(ffi::AnyBuffer x, bool last) {
  const auto sizes = x.dimensions();
  int64_t length = 1;
  for (size_t axis = 2; axis < sizes.size(); ++axis) length *= sizes[axis];
  return {floats(x), sizes[0], sizes[1], length, last || length == 1};
}

// Calls work(part, channel) for what is summed up apart, with the place of its first channel among the results: all
// images together, or each by itself. Planes of several images are as many channels of one.
template <typename Work>
void each_part(ffi::ThreadPool& pool, const View& all, bool apart, const Work& work) {
  if (!apart) return work(all, 0);
  if (!all.last) return work(View{all.data, 1, all.images * all.channels, all.length, false}, 0);
  spread(pool, all.images, all.size() < 2 * kWorth ? 1 : pool.num_threads(), [&](int image) {
    const int64_t channel = image * all.channels;
    work(View{all.data + channel * all.length, 1, all.channels, all.length, true}, channel);
  });
}

// x -> mean and variance (divided by the number of elements) of each channel, or of each image's channels.
ffi::Error moments(ffi::ThreadPool pool, int64_t last, int64_t apart, int64_t, ffi::AnyBuffer x,
                   ffi::Result<ffi::AnyBuffer> mean, ffi::Result<ffi::AnyBuffer> variance) {
  each_part(pool, view(x, last != 0), apart != 0, [&](const View& part, int64_t place) {
    Totals total(part.channels);
    part.last ? moments_last(pool, part, total) : moments_planes(pool, part, total);
    for (int64_t channel = 0; channel < part.channels; ++channel) {
      floats(*mean)[place + channel] = static_cast<float>(total.first[channel]);
      floats(*variance)[place + channel] = static_cast<float>(total.second[channel] / part.count());
    }
  });
  return ffi::Error::Success();
}

// (y, x, mean) -> the sum of y, and of y * (x - mean), of each channel, or of each image's channels.
ffi::Error products(ffi::ThreadPool pool, int64_t last, int64_t apart, int64_t, ffi::AnyBuffer y, ffi::AnyBuffer x,
                    ffi::AnyBuffer mean, ffi::Result<ffi::AnyBuffer> first, ffi::Result<ffi::AnyBuffer> second) {
  const View all = view(y, last != 0);
  each_part(pool, all, apart != 0, [&](const View& part, int64_t place) {
    Totals total(part.channels);
    const float* from = floats(x) + (part.data - all.data);
    part.last ? products_last(pool, part, from, floats(mean) + place, total)
              : products_planes(pool, part, from, floats(mean) + place, total);
    std::copy(total.first.begin(), total.first.end(), floats(*first) + place);
    std::copy(total.second.begin(), total.second.end(), floats(*second) + place);
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
                                  .Attr<int64_t>("apart")
                                  .Attr<int64_t>("products")  // for counting what is computed; not read here
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Ret<xla::ffi::AnyBuffer>()
                                  .Ret<xla::ffi::AnyBuffer>());

XLA_FFI_DEFINE_HANDLER_SYMBOL(flambeau_products, flambeau::products,
                              xla::ffi::Ffi::Bind()
                                  .Ctx<xla::ffi::ThreadPool>()
                                  .Attr<int64_t>("last")
                                  .Attr<int64_t>("apart")
                                  .Attr<int64_t>("products")  // for counting what is computed; not read here
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Ret<xla::ffi::AnyBuffer>()
                                  .Ret<xla::ffi::AnyBuffer>());

#pragma GCC visibility pop
