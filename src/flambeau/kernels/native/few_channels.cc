// Convolutions of few channels, by sums of shifted rows.
//
// A channel of an image is laid out as one long row: its lines one behind the other, with zeros between them where there
// is padding. A place of the window is then a distance in that row, the same for all numbers of the result, whose lines
// lie as far apart: what is computed between the lines of the result is thrown away. So whole vectors are computed
// whatever the width of an image, several outputs of several vectors in registers.
#include "few_channels.h"

#include <array>
#include <utility>

#include "vectors.h"
#include "workspace.h"

namespace flambeau {
namespace {

#if defined(__AVX512F__)
constexpr int kRegisters = 28;  // for vectors that are read, and their sums
constexpr int kMostOutputs = 8, kMostVectors = 8;
#else
constexpr int kRegisters = 14;
constexpr int kMostOutputs = 6, kMostVectors = 4;
#endif

// Vectors that stay in registers next to so many sums of each.
constexpr int vectors_beside(int outputs) {
  return std::max(1, std::min(kMostVectors, kRegisters / (outputs + 1)));
}

constexpr int64_t kTogether = 40;         // products that are added up by themselves, at least
constexpr int64_t kMostRoom = 256 << 10;  // numbers of an image that stay in a core's cache

// Calls work(begin, size) for `size` things in groups of nearly the same size, of which none is larger than `most`.
template <typename Work>
void grouped(int64_t size, int64_t most, const Work& work) {
  const int64_t groups = up(size, most);
  for (int64_t group = 0; group < groups; ++group) {
    const int64_t begin = size * group / groups;
    work(begin, size * (group + 1) / groups - begin);
  }
}

// Lines of a plane, and where they lie in a long row.
struct Lines {
  Sizes starts;
  int64_t width;

  int64_t size() const { return width * static_cast<int64_t>(starts.size()); }

  void bring_in(const float* plane, float* row) const {
    for (int64_t start : starts) std::copy_n(plane, width, row + start), plane += width;
  }
  // Whole vectors are copied; what one writes too much belongs to the next line.
  void bring_out(const float* row, float* plane) const {
    for (size_t line = 0; line < starts.size(); ++line, plane += width) {
      const float* from = row + starts[line];
      int64_t at = 0;
      for (; at + kLanes <= width; at += kLanes) store(plane + at, load(from + at));
      const bool more = at + kLanes <= static_cast<int64_t>(starts.size() - line) * width;
      if (at < width && more) store(plane + at, load(from + at));
      if (at < width && !more) std::copy_n(from + at, width - at, plane + at);
    }
  }
};

// How channels lie as long rows: of what is read with a window, and of what is made of it.
struct Long {
  Sizes steps;         // from a number to its neighbor along each axis
  Sizes taps;          // from a number of the result to those that are read for it
  int64_t origin = 0;  // where the first number read lies; zeros before
  int64_t vectors, room;  // of the result; numbers of a row that is read

  Long(const Sizes& from, const Sizes& to, const Sizes& window, const Sizes& dilation, const Sizes& before,
       const Sizes& after)
      : steps(from.size(), 1), taps{0} {
    const size_t rank = from.size();
    for (size_t axis = rank - 1; axis > 0; --axis) {  // the zeros after a line are those before the next one
      steps[axis - 1] = steps[axis] * (from[axis] + std::max(before[axis], after[axis]));
    }
    int64_t last = 0;
    for (size_t axis = 0; axis < rank; ++axis) {
      origin += before[axis] * steps[axis];
      last += (to[axis] - 1) * steps[axis];
      Sizes more;
      for (int64_t tap : taps) {
        for (int64_t at = 0; at < window[axis]; ++at) more.push_back(tap + at * dilation[axis] * steps[axis]);
      }
      taps = more;
    }
    vectors = up(last + 1, kLanes);
    room = up(vectors * kLanes + taps.back(), kLanes) * kLanes;
  }

  // The same for all channels, which lie one behind the other.
  Sizes taps_of(int64_t channels) const {
    Sizes all;
    for (int64_t channel = 0; channel < channels; ++channel) {
      for (int64_t tap : taps) all.push_back(channel * room + tap);
    }
    return all;
  }

  // The lines of an array of these sizes whose first number lies there.
  Lines lines(const Sizes& sizes, int64_t first) const {
    Sizes starts{first};
    for (size_t axis = 0; axis + 1 < sizes.size(); ++axis) {
      Sizes more;
      for (int64_t start : starts) {
        for (int64_t at = 0; at < sizes[axis]; ++at) more.push_back(start + at * steps[axis]);
      }
      starts = more;
    }
    return {starts, sizes.back()};
  }
};

Sizes inner(const Sizes& sizes) { return {sizes.begin() + 2, sizes.end()}; }

// For the gradient of the images, y is read, with zeros around it, and x is made.
Long long_rows(Kind kind, const Geometry& shape) {
  const Sizes x = inner(shape.x), y = inner(shape.y), window = inner(shape.weight);
  if (kind != Kind::kData) return {x, y, window, shape.dilation, shape.before, shape.after};
  Sizes before, after;
  for (size_t axis = 0; axis < window.size(); ++axis) {
    const int64_t most = shape.dilation[axis] * (window[axis] - 1);
    before.push_back(most - shape.before[axis]), after.push_back(most - shape.after[axis]);
  }
  return {y, x, window, shape.dilation, before, after};
}

// One of kernels of so many outputs, and so many of what else is in registers.
template <template <int, int> class Kernel, int kOutputs, int... kCounts>
constexpr auto beside(std::integer_sequence<int, kCounts...>) {
  return std::array{&Kernel<kOutputs, std::min(kCounts + 1, vectors_beside(kOutputs))>::run...};
}
template <template <int, int> class Kernel, int... kOutputs>
auto kernel(int64_t outputs, int64_t count, std::integer_sequence<int, kOutputs...>) {
  static constexpr std::array known{beside<Kernel, kOutputs + 1>(std::make_integer_sequence<int, kMostVectors>())...};
  return known[outputs - 1][count - 1];
}
template <template <int, int> class Kernel>
auto kernel(int64_t outputs, int64_t count) {
  return kernel<Kernel>(outputs, count, std::make_integer_sequence<int, kMostOutputs>());
}

// -- the result, and the gradient of the images ----------------------------------------------------------------------

// to (kOutputs rows, kVectors vectors) = the sum over taps of from[tap] * weight (taps, kOutputs), added to a bias, or else
// to what is there.
template <int kOutputs, int kVectors>
struct ShiftedSums {
  static void run(const float* from, const int64_t* taps, int64_t count, const float* weight, const float* bias, float* to,
                  int64_t to_row) {
    Floats sums[kOutputs][kVectors] = {};
    for (int64_t tap = 0; tap < count; ++tap, weight += kOutputs) {
      Floats values[kVectors];
      for (int at = 0; at < kVectors; ++at) values[at] = load(from + taps[tap] + at * kLanes);
      for (int output = 0; output < kOutputs; ++output) {
        for (int at = 0; at < kVectors; ++at) sums[output][at] += weight[output] * values[at];
      }
    }
#pragma GCC unroll 8
    for (int output = 0; output < kOutputs; ++output, to += to_row) {
#pragma GCC unroll 8
      for (int at = 0; at < kVectors; ++at) {
        const Floats before = bias == nullptr ? load(to + at * kLanes) : all(bias[output]);
        store(to + at * kLanes, before + sums[output][at]);
      }
    }
  }
};

// A convolution from images to images.
struct Pass {
  const float* from;
  float* to;
  int64_t images, inputs, outputs;
  Lines lines_from, lines_to;
  Long rows;
};

// (outputs, taps) in groups of outputs: the numbers of a tap side by side.
void arrange(const Pass& pass, const float* weight, bool turned, float* to) {
  const int64_t taps = pass.rows.taps.size();
  grouped(pass.outputs, kMostOutputs, [&](int64_t begin, int64_t size) {
    for (int64_t input = 0; input < pass.inputs; ++input) {
      for (int64_t tap = 0; tap < taps; ++tap) {
        for (int64_t output = begin; output < begin + size; ++output) {
          *to++ = turned ? weight[(input * pass.outputs + output) * taps + taps - 1 - tap]
                         : weight[(output * pass.inputs + input) * taps + tap];
        }
      }
    }
  });
}

void run(const Pass& pass, const float* weight, bool turned, const float* bias, int64_t items, const Share& share) {
  const Long& rows = pass.rows;
  const Sizes taps = rows.taps_of(pass.inputs);
  // A long sum from left to right would lose more digits than oneDNN's.
  const int64_t together = up(kTogether, rows.taps.size()) * rows.taps.size();
  const int64_t weights = up(taps.size() * pass.outputs, kLanes) * kLanes;
  const Workspace shared((weights + pass.outputs) * sizeof(float));
  float* factors = reinterpret_cast<float*>(shared.data());
  arrange(pass, weight, turned, factors);
  if (bias != nullptr) std::copy_n(bias, pass.outputs, factors + weights);
  if (bias == nullptr) std::fill_n(factors + weights, pass.outputs, 0.0f);
  share(items, [&](int item) {
    const int64_t room = pass.inputs * rows.room, row = rows.vectors * kLanes;
    const Workspace space((room + kMostOutputs * row + kLanes) * sizeof(float));
    float *from = reinterpret_cast<float*>(space.data()), *to = from + room;
    std::fill_n(from, room, 0.0f);
    for (int64_t image = pass.images * item / items; image < pass.images * (item + 1) / items; ++image) {
      for (int64_t input = 0; input < pass.inputs; ++input) {
        pass.lines_from.bring_in(pass.from + (image * pass.inputs + input) * pass.lines_from.size(),
                                 from + input * rows.room);
      }
      grouped(pass.outputs, kMostOutputs, [&](int64_t begin, int64_t size) {
        grouped(rows.vectors, vectors_beside(size), [&](int64_t at, int64_t count) {
          const auto sums = kernel<ShiftedSums>(size, count);
          const float* factor = factors + begin * taps.size();
          for (int64_t tap = 0; tap < taps.size(); tap += together, factor += together * size) {
            sums(from + at * kLanes, taps.data() + tap, std::min<int64_t>(together, taps.size() - tap), factor,
                 tap == 0 ? factors + weights + begin : nullptr, to + at * kLanes, row);
          }
        });
        for (int64_t output = 0; output < size; ++output) {
          pass.lines_to.bring_out(to + output * row,
                                  pass.to + (image * pass.outputs + begin + output) * pass.lines_to.size());
        }
      });
    }
  });
}

// -- the gradients of weight and bias ------------------------------------------------------------------------------

// sums (kOutputs rows, kTaps vectors) += the sums over images of x[tap] * y where a number of y is.
template <int kOutputs, int kTaps>
struct Dots {
  static void run(const float* x, int64_t x_image, const int64_t* taps, const float* y, int64_t y_image,
                  const Whole* inside, int64_t vectors, int64_t images, float* result, int64_t result_row) {
    Floats sums[kOutputs][kTaps] = {};
    for (int64_t image = 0; image < images; ++image, x += x_image, y += y_image) {
      for (int64_t at = 0; at < vectors; ++at) {
        Floats values[kTaps];
        for (int tap = 0; tap < kTaps; ++tap) {
          values[tap] = inside[at] ? load(x + taps[tap] + at * kLanes) : Floats{};  // what is between may be a NaN
        }
        for (int output = 0; output < kOutputs; ++output) {
          const Floats factor = load(y + (output * vectors + at) * kLanes);
          for (int tap = 0; tap < kTaps; ++tap) sums[output][tap] += values[tap] * factor;
        }
      }
    }
#pragma GCC unroll 8
    for (int output = 0; output < kOutputs; ++output) {
#pragma GCC unroll 8
      for (int tap = 0; tap < kTaps; ++tap) {
        float* to = result + output * result_row + tap * kLanes;
        store(to, load(to) + sums[output][tap]);
      }
    }
  }
};

struct Gradients {
  const float *x, *y;
  int64_t images, channels, outputs;
  Lines lines_x, lines_y;
  Long rows;
};

// Which numbers of a long row belong to the result.
std::vector<Whole> inside(const Gradients& what) {
  std::vector<Whole> found(what.rows.vectors, Whole{});
  for (int64_t start : what.lines_y.starts) {
    for (int64_t at = start; at < start + what.lines_y.width; ++at) found[at / kLanes][at % kLanes] = -1;
  }
  return found;
}

// The sums of some images, of (outputs, taps) and then of outputs, in vectors whose numbers are still to be added up.
void add_images(const Gradients& what, Range images, const Sizes& taps, const std::vector<Whole>& inside, float* sums) {
  constexpr int64_t kRoom = 8 << 10;  // numbers that stay in a core's nearest cache
  const int64_t row = what.rows.vectors * kLanes, count = taps.size();
  const int64_t x_image = what.channels * what.rows.room, y_image = what.outputs * row;
  const int64_t together = std::min(images.size(), std::max<int64_t>(1, kRoom / (x_image + y_image)));
  const Workspace space((x_image + y_image) * together * sizeof(float));
  float *x = reinterpret_cast<float*>(space.data()), *y = x + x_image * together;
  std::fill_n(x, (x_image + y_image) * together, 0.0f);
  std::fill_n(sums, what.outputs * (count + 1) * kLanes, 0.0f);
  for (int64_t image = images.begin; image < images.end; image += together) {
    const int64_t size = std::min(together, images.end - image);
    for (int64_t plane = 0; plane < size * what.channels; ++plane) {
      what.lines_x.bring_in(what.x + (image * what.channels + plane) * what.lines_x.size(), x + plane * what.rows.room);
    }
    for (int64_t plane = 0; plane < size * what.outputs; ++plane) {
      what.lines_y.bring_in(what.y + (image * what.outputs + plane) * what.lines_y.size(), y + plane * row);
      float* bias = sums + (what.outputs * count + plane % what.outputs) * kLanes;
      Floats sum = load(bias);
      for (int64_t at = 0; at < row; at += kLanes) sum += load(y + plane * row + at);
      store(bias, sum);
    }
    grouped(what.outputs, kMostOutputs, [&](int64_t output, int64_t outputs) {
      grouped(count, vectors_beside(outputs), [&](int64_t tap, int64_t some) {
        kernel<Dots>(outputs, some)(x, x_image, taps.data() + tap, y + output * row, y_image, inside.data(),
                                    what.rows.vectors, size, sums + (output * count + tap) * kLanes, count * kLanes);
      });
    });
  }
}

void run(const Gradients& what, float* weight, float* bias, int64_t parts, const Share& share) {
  const Sizes taps = what.rows.taps_of(what.channels);
  const std::vector<Whole> inside = flambeau::inside(what);
  const int64_t weights = what.outputs * taps.size(), size = (weights + what.outputs) * kLanes;
  const Workspace space(parts * size * sizeof(float));
  float* sums = reinterpret_cast<float*>(space.data());
  share(parts, [&](int part) {
    add_images(what, {what.images * part / parts, what.images * (part + 1) / parts}, taps, inside, sums + part * size);
  });
  for (int64_t at = 0; at < weights + (bias == nullptr ? 0 : what.outputs); ++at) {
    Floats total = load(sums + at * kLanes);
    for (int64_t part = 1; part < parts; ++part) total += load(sums + part * size + at * kLanes);
    (at < weights ? weight[at] : bias[at - weights]) = sum(total);
  }
}

}  // namespace

// Where it was measured to be faster than oneDNN, which is at its best with 16 outputs: see docs/decisions/kernels.md.
bool few_channels_serve(Kind kind, const Geometry& shape) {
  if (shape.x_last || shape.y_last || shape.groups != 1) return false;
  for (size_t axis = 0; axis < shape.stride.size(); ++axis) {
    const int64_t most = shape.dilation[axis] * (shape.weight[axis + 2] - 1);  // zeros that a window fills at most
    if (shape.stride[axis] != 1 || shape.before[axis] > most || shape.after[axis] > most) return false;
  }
  const Long rows = long_rows(kind, shape);
  const int64_t numbers = rows.vectors * kLanes;
  const double useful = elements(inner(shape.y)) / numbers;  // products that are not thrown away
  if (rows.room * std::max(shape.channels(), shape.outputs()) > kMostRoom) return false;
  if (kind == Kind::kForward) return shape.outputs() <= 12 && useful > 0.6;
  if (kind == Kind::kData) return shape.channels() <= 12 && useful > 0.3;
  const double sums = elements(shape.weight) / shape.outputs();  // for each output
  const bool enough = shape.batch() > 2 && shape.batch() * numbers >= 6400;
  const bool sixteen = kLanes == 16 && shape.outputs() <= 16 && shape.channels() > 3 && sums <= 150;
  const bool few = shape.outputs() <= 12 ? sums <= 400 : sixteen;
  return enough && few && useful > 0.65;
}

void few_channels(Kind kind, const Geometry& shape, float* x, float* weight, float* y, float* bias, int threads,
                  const Share& share) {
  constexpr int64_t kWorthAThread = 1000000, kItemsOfAThread = 4;
  const int64_t busy = std::max<int64_t>(1, std::min<int64_t>({threads, shape.batch(), shape.products / kWorthAThread}));
  const int64_t items = std::min(shape.batch(), busy == 1 ? 1 : busy * kItemsOfAThread);
  const Long rows = long_rows(kind, shape);
  const Lines lines_x = rows.lines(inner(shape.x), kind == Kind::kData ? 0 : rows.origin);
  const Lines lines_y = rows.lines(inner(shape.y), kind == Kind::kData ? rows.origin : 0);
  const int64_t batch = shape.batch(), channels = shape.channels(), outputs = shape.outputs();
  if (kind == Kind::kForward) {
    run(Pass{x, y, batch, channels, outputs, lines_x, lines_y, rows}, weight, false, bias, items, share);
  } else if (kind == Kind::kData) {
    run(Pass{y, x, batch, outputs, channels, lines_y, lines_x, rows}, weight, true, nullptr, items, share);
  } else {
    run(Gradients{x, y, batch, channels, outputs, lines_x, lines_y, rows}, weight, bias, busy, share);
  }
}

}  // namespace flambeau
