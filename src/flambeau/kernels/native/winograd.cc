// F(2 x 2, 3 x 3) of A. Lavin and S. Gray, Fast Algorithms for Convolutional Neural Networks (2015), arXiv:1509.09308.
//
// A tile is 2 x 2 numbers of the result, for which a patch of 4 x 4 numbers is read. With
//
//   Bt = 1  0 -1  0    G =  1   0   0    At = 1  1  1  0
//        0  1  1  0        1/2 1/2 1/2        0  1 -1 -1
//        0 -1  1  0        1/2-1/2 1/2
//        0  1  0 -1         0   0   1
//
// tile = At ((G window Gt) * (Bt patch B)) A, where * multiplies each of 16 numbers, and sums over channels: 16 matrix
// products. The gradient of the window is Gt ((A tile At) * (Bt patch B)) G, summed over tiles.
#include "winograd.h"

#include <memory>
#include <utility>

#include "vectors.h"
#include "workspace.h"

namespace flambeau {
namespace {

#if defined(__AVX512F__)
constexpr int kRows = 14, kColumns = 2;  // sums that stay in registers: rows by vectors
#else
constexpr int kRows = 6, kColumns = 2;
#endif
constexpr int64_t kPanel = kColumns * kLanes;
constexpr int64_t kPositions = 16;
constexpr int64_t kDepth = 128;  // numbers added up before their sum is added to others: rounding grows more slowly
constexpr int kWindow = 9;

int64_t padded(int64_t channels) { return up(channels, kPanel) * kPanel; }

// A matrix (rows, channels) for each of the 16 positions. Distances are such that equal places of the 16 do not share
// a set of the cache.
struct Stack {
  float* data;
  int64_t row, position;

  static Stack of(int64_t rows, int64_t channels) {
    const int64_t row = padded(channels) + kLanes, page = 1024;
    return {nullptr, row, up(rows * row, page) * page + 5 * kLanes};
  }
  int64_t size() const { return kPositions * position; }
};

// The same in panels, of some columns each, that are read from end to end.
struct Panels {
  float* data;
  int64_t rows, columns;

  int64_t count() const { return up(columns, kPanel); }
  int64_t position() const { return count() * rows * kPanel + 5 * kLanes; }
  int64_t size() const { return kPositions * position(); }
  float* at(int64_t which, int64_t panel, int64_t row) const {
    return data + which * position() + (panel * rows + row) * kPanel;
  }
};

struct Images {
  float* data;
  int64_t height, width, channels;

  float* at(int64_t image, int64_t row, int64_t column) const {
    return data + ((image * height + row) * width + column) * channels;
  }
};

struct Tiles {
  int64_t images, rows, columns;

  int64_t count() const { return images * rows * columns; }
};

// Calls work(index from `begin`, image, first row, first column) for the tiles of a range.
template <typename Work>
void each(const Tiles& tiles, Range range, const Work& work) {
  for (int64_t tile = range.begin; tile < range.end; ++tile) {
    const int64_t row = tile / tiles.columns;
    work(tile - range.begin, row / tiles.rows, row % tiles.rows * 2, tile % tiles.columns * 2);
  }
}

// -- transforms: of vectors of channels ----------------------------------------------------------------------------

// Applies `line` to the lines of kFrom numbers of a square, then to its columns: what comes out has kTo x kTo.
template <int kFrom, int kTo, typename Line>
FLAMBEAU_INLINE void both_ways(const Floats (&from)[kFrom][kFrom], Floats (&to)[kTo][kTo], const Line& line) {
  Floats half[kFrom][kTo];
  for (int row = 0; row < kFrom; ++row) line(from[row], half[row]);
  for (int column = 0; column < kTo; ++column) {
    Floats in[kFrom], out[kTo];
    for (int row = 0; row < kFrom; ++row) in[row] = half[row][column];
    line(in, out);
    for (int row = 0; row < kTo; ++row) to[row][column] = out[row];
  }
}

struct PatchIn {
  static constexpr int kFrom = 4, kTo = 4;
  FLAMBEAU_INLINE void operator()(const Floats (&d)[4], Floats (&to)[4]) const {
    to[0] = d[0] - d[2], to[1] = d[1] + d[2], to[2] = d[2] - d[1], to[3] = d[1] - d[3];
  }
};

struct TileIn {
  static constexpr int kFrom = 2, kTo = 4;
  FLAMBEAU_INLINE void operator()(const Floats (&d)[2], Floats (&to)[4]) const {
    to[0] = d[0], to[1] = d[0] + d[1], to[2] = d[0] - d[1], to[3] = -d[1];
  }
};

struct TileOut {
  FLAMBEAU_INLINE void operator()(const Floats (&m)[4], Floats (&to)[2]) const {
    to[0] = m[0] + m[1] + m[2], to[1] = m[1] - m[2] - m[3];
  }
};

struct WindowIn {
  FLAMBEAU_INLINE void operator()(const Floats (&g)[3], Floats (&to)[4]) const {
    const Floats ends = (g[0] + g[2]) * 0.5f, middle = g[1] * 0.5f;
    to[0] = g[0], to[1] = ends + middle, to[2] = ends - middle, to[3] = g[2];
  }
};

struct WindowOut {
  FLAMBEAU_INLINE void operator()(const Floats (&s)[4], Floats (&to)[3]) const {
    const Floats sum = (s[1] + s[2]) * 0.5f, difference = (s[1] - s[2]) * 0.5f;
    to[0] = s[0] + sum, to[1] = difference, to[2] = sum + s[3];
  }
};

// Squares of images, one for each tile, into the rows of a stack; what lies outside of the image is zero.
template <typename Line>
void bring_in(const Images& from, const Tiles& tiles, Range range, int64_t above, int64_t before, const Stack& to,
              int64_t first_row) {
  constexpr int kSize = Line::kFrom;
  each(tiles, range, [&](int64_t index, int64_t image, int64_t row, int64_t column) {
    const int64_t top = row - above, left = column - before;
    bool inside[kSize][kSize];
    for (int y = 0; y < kSize; ++y) {
      for (int x = 0; x < kSize; ++x) {
        inside[y][x] = top + y >= 0 && top + y < from.height && left + x >= 0 && left + x < from.width;
      }
    }
    const float* corner = from.data + ((image * from.height + top) * from.width + left) * from.channels;
    float* target = to.data + (first_row + index) * to.row;
    for (int64_t channel = 0; channel < from.channels; channel += kLanes) {
      Floats square[kSize][kSize], made[4][4];
      for (int y = 0; y < kSize; ++y) {
        for (int x = 0; x < kSize; ++x) {
          square[y][x] = inside[y][x] ? load(corner + (y * from.width + x) * from.channels + channel) : Floats{};
        }
      }
      both_ways(square, made, Line());
      for (int at = 0; at < kPositions; ++at) store(target + at * to.position + channel, made[at / 4][at % 4]);
    }
  });
}

// The rows of a stack into tiles of images, for some of the channels.
void bring_out(const Stack& from, const Tiles& tiles, Range range, Range channels, const float* bias,
               const Images& to) {
  each(tiles, range, [&](int64_t index, int64_t image, int64_t row, int64_t column) {
    const int64_t height = std::min<int64_t>(2, to.height - row), width = std::min<int64_t>(2, to.width - column);
    float* corner = to.at(image, row, column);
    const float* source = from.data + index * from.row;
    for (int64_t channel = channels.begin; channel < channels.end; channel += kLanes) {
      Floats square[4][4], made[2][2];
      for (int at = 0; at < kPositions; ++at) square[at / 4][at % 4] = load(source + at * from.position + channel);
      both_ways(square, made, TileOut());
      const Floats more = bias == nullptr ? Floats{} : load(bias + channel);
      for (int64_t y = 0; y < height; ++y) {
        for (int64_t x = 0; x < width; ++x) {
          store(corner + (y * to.width + x) * to.channels + channel, made[y][x] + more);
        }
      }
    }
  });
}

// Windows of a weight (outputs, inputs, 3, 3): how far apart those of neighboring columns and rows of a matrix lie.
struct Windows {
  float* data;
  int64_t column, row;
  bool turned;  // by half a turn, as the gradient of the images wants them
};

using Block = float[kLanes * kWindow][kLanes];  // kLanes x kLanes windows: (row, place) by column

// Calls work(panel, first row) for all rows of all panels, kLanes at a time.
void each(const Panels& panels, const Share& share, const std::function<void(int64_t, int64_t)>& work) {
  constexpr int64_t kRowsOfAnItem = 32;
  const int64_t slices = up(panels.rows, kRowsOfAnItem);
  share(panels.count() * slices, [&](int item) {
    const int64_t panel = item / slices, begin = item % slices * kRowsOfAnItem;
    for (int64_t row = begin; row < std::min(panels.rows, begin + kRowsOfAnItem); row += kLanes) work(panel, row);
  });
}

// Windows, transformed, into matrices.
void bring_in(const Windows& from, const Panels& to, const Share& share) {
  each(to, share, [&](int64_t panel, int64_t row) {
    Block block, other;
    for (int64_t column = panel * kPanel; column < std::min(to.columns, (panel + 1) * kPanel); column += kLanes) {
      const float* start = from.data + row * from.row + column * from.column;
      for (int at = 0; at < kLanes * kWindow; at += kLanes) {
        transpose(start + at, from.turned ? from.row : from.column, from.turned ? other[at] : block[at], kLanes);
      }
      for (int at = 0; from.turned && at < kWindow; ++at) {
        transpose(other[at], kWindow * kLanes, block[kWindow - 1 - at], kWindow * kLanes);
      }
      float* target = to.at(0, panel, row) + column % kPanel;
      for (int line = 0; line < kLanes; ++line) {
        Floats window[3][3], made[4][4];
        for (int at = 0; at < kWindow; ++at) window[at / 3][at % 3] = load(block[line * kWindow + at]);
        both_ways(window, made, WindowIn());
        target += line == 0 ? 0 : kPanel;
        for (int at = 0; at < kPositions; ++at) store(target + at * to.position(), made[at / 4][at % 4]);
      }
    }
  });
}

// Sums of several parts, one behind the other, back into windows.
void bring_out(const Panels& from, int64_t parts, const Windows& to, const Share& share) {
  each(from, share, [&](int64_t panel, int64_t row) {
    Block block;
    for (int64_t column = panel * kPanel; column < std::min(from.columns, (panel + 1) * kPanel); column += kLanes) {
      for (int line = 0; line < kLanes; ++line) {
        Floats square[4][4], made[3][3];
        for (int at = 0; at < kPositions; ++at) {
          const float* source = from.at(at, panel, row + line) + column % kPanel;
          Floats sum = load(source);
          for (int64_t index = 1; index < parts; ++index) sum += load(source + index * from.size());
          square[at / 4][at % 4] = sum;
        }
        both_ways(square, made, WindowOut());
        for (int at = 0; at < kWindow; ++at) store(block[line * kWindow + at], made[at / 3][at % 3]);
      }
      float* start = to.data + row * to.row + column * to.column;
      for (int at = 0; at < kLanes * kWindow; at += kLanes) transpose(block[at], kLanes, start + at, to.column);
    }
  });
}

// -- products ------------------------------------------------------------------------------------------------------

// result (so many rows, kPanel) = or += the sum over `depth` of x[row * x_row + step * x_step] * panel[step * y_step].
template <int kCount, bool kAdds>
void product(int64_t depth, const float* x, int64_t x_row, int64_t x_step, const float* y, int64_t y_step,
             float* result, int64_t result_row) {
  Floats sums[kCount][kColumns] = {};
  for (int64_t step = 0; step < depth; ++step) {
    Floats factors[kColumns];
    for (int column = 0; column < kColumns; ++column) factors[column] = load(y + step * y_step + column * kLanes);
    for (int row = 0; row < kCount; ++row) {
      const Floats value = all(x[row * x_row + step * x_step]);
      for (int column = 0; column < kColumns; ++column) sums[row][column] += value * factors[column];
    }
  }
#pragma GCC unroll 14
  for (int row = 0; row < kCount; ++row) {
#pragma GCC unroll 2
    for (int column = 0; column < kColumns; ++column) {
      float* to = result + row * result_row + column * kLanes;
      store(to, kAdds ? load(to) + sums[row][column] : sums[row][column]);
    }
  }
}

// One product for each number of rows.
using Product = void (*)(int64_t, const float*, int64_t, int64_t, const float*, int64_t, float*, int64_t);

template <int... kCounts>
Product product_of(int64_t rows, bool adds, std::integer_sequence<int, kCounts...>) {
  static constexpr Product fresh[] = {product<kCounts + 1, false>...}, adding[] = {product<kCounts + 1, true>...};
  return adds ? adding[rows - 1] : fresh[rows - 1];
}

// Calls work(first row, product for so many rows) for all rows, in groups of nearly the same size.
template <typename Work>
void grouped(int64_t rows, bool adds, const Work& work) {
  const int64_t groups = up(rows, kRows);
  for (int64_t group = 0; group < groups; ++group) {
    const int64_t begin = rows * group / groups, end = rows * (group + 1) / groups;
    work(begin, product_of(end - begin, adds, std::make_integer_sequence<int, kRows>()));
  }
}

// -- the result, and the gradient of the images ----------------------------------------------------------------------

// A convolution from images to images.
struct Pass {
  Images from, to;
  Windows windows;
  const float* bias;
  int64_t images, above, before;
};

void run(const Pass& pass, int threads, const Share& share) {
  constexpr int64_t kRoom = 256 << 10;            // numbers of a block of tiles, transformed
  constexpr int64_t kFewest = 56, kMost = 112;    // tiles of a block
  constexpr int64_t kMany = 256 * 256;            // channels times channels that no core's cache holds
  const int64_t inputs = pass.from.channels, outputs = pass.to.channels;
  Panels factors{nullptr, inputs, outputs};
  const Workspace weights(factors.size() * sizeof(float));
  factors.data = reinterpret_cast<float*>(weights.data());
  bring_in(pass.windows, factors, share);

  const Tiles tiles{pass.images, up(pass.to.height, 2), up(pass.to.width, 2)};
  const int64_t room = std::clamp(kRoom / kPositions / (inputs + outputs), kFewest, kMost);
  const int64_t fit = inputs * outputs > kMany ? kMost : room;
  const int64_t rounds = up(up(tiles.count(), fit), threads) * threads;
  const int64_t size = up(tiles.count(), rounds);
  const bool few = size < kFewest / 2;  // then threads share the outputs, too
  const int64_t length = few ? std::min(tiles.count(), fit) : size;
  const int64_t blocks = up(tiles.count(), length);
  const int64_t shares = blocks >= threads ? 1 : std::min(factors.count(), up(threads, blocks));
  share(blocks * shares, [&](int item) {
    const int64_t block = item / shares, part = item % shares;
    const Range range{block * length, std::min(tiles.count(), (block + 1) * length)};
    const Range own{factors.count() * part / shares, factors.count() * (part + 1) / shares};
    Stack patches = Stack::of(length, inputs), sums = Stack::of(length, outputs);
    const Workspace space((patches.size() + sums.size()) * sizeof(float));
    patches.data = reinterpret_cast<float*>(space.data());
    sums.data = patches.data + patches.size();
    bring_in<PatchIn>(pass.from, tiles, range, pass.above, pass.before, patches, 0);
    for (int64_t at = 0; at < kPositions; ++at) {
      for (int64_t begin = 0; begin < inputs; begin += kDepth) {
        grouped(range.size(), begin > 0, [&](int64_t row, Product product) {
          for (int64_t panel = own.begin; panel < own.end; ++panel) {
            product(std::min(kDepth, inputs - begin), patches.data + at * patches.position + row * patches.row + begin,
                    patches.row, 1, factors.at(at, panel, begin), kPanel,
                    sums.data + at * sums.position + row * sums.row + panel * kPanel, sums.row);
          }
        });
      }
    }
    bring_out(sums, tiles, range, {own.begin * kPanel, std::min(outputs, own.end * kPanel)}, pass.bias, pass.to);
  });
}

// -- the gradients of weight and bias ------------------------------------------------------------------------------

struct Gradients {
  Images x, y;
  Windows windows;
  float* bias;
  int64_t images, above, before;

  Tiles tiles() const { return {images, up(y.height, 2), up(y.width, 2)}; }
};

// sums (inputs, outputs) = or += patches transposed times tiles, at one position and for some panels of outputs.
void add_products(int64_t at, const Stack& patches, const Stack& tiles, int64_t count, Range panels, bool adds,
                  const Panels& sums) {
  for (int64_t begin = 0; begin < count; begin += kDepth) {
    const float* x = patches.data + at * patches.position + begin * patches.row;
    const float* y = tiles.data + at * tiles.position + begin * tiles.row;
    for (int64_t panel = panels.begin; panel < panels.end; ++panel) {
      grouped(sums.rows, adds || begin > 0, [&](int64_t row, Product product) {
        product(std::min(kDepth, count - begin), x + row, 1, patches.row, y + panel * kPanel, tiles.row,
                sums.at(at, panel, row), kPanel);
      });
    }
  }
}

// The sum of a tile stands at the sixth position.
void add_bias(const Stack& tiles, int64_t count, int64_t outputs, float* bias) {
  constexpr int64_t kSum = 5;
  for (int64_t channel = 0; channel < outputs; channel += kLanes) {
    Floats sum{};
    const float* from = tiles.data + kSum * tiles.position + channel;
    for (int64_t row = 0; row < count; ++row) sum += load(from + row * tiles.row);
    store(bias + channel, load(bias + channel) + sum);
  }
}

// The tiles of a range, transformed; their sums are added to those there.
struct Tiled {
  Stack patches, tiles;
  Workspace space;

  Tiled(int64_t length, const Gradients& what)
      : patches(Stack::of(length, what.x.channels)), tiles(Stack::of(length, what.y.channels)),
        space((patches.size() + tiles.size()) * sizeof(float)) {
    patches.data = reinterpret_cast<float*>(space.data());
    tiles.data = patches.data + patches.size();
  }
  void bring_in(const Gradients& what, Range range, int64_t first_row) const {
    flambeau::bring_in<PatchIn>(what.x, what.tiles(), range, what.above, what.before, patches, first_row);
    flambeau::bring_in<TileIn>(what.y, what.tiles(), range, 0, 0, tiles, first_row);
  }
};

void clear(float* data, int64_t size) { std::fill_n(data, size, 0.0f); }

// Few channels: each thread takes some of the tiles, and all positions.
void sum_by_tiles(const Gradients& what, const Panels& sums, float* bias, int64_t parts, const Share& share) {
  constexpr int64_t kRoom = 256 << 10, kFewest = 32;
  const int64_t inputs = what.x.channels, outputs = what.y.channels, count = what.tiles().count();
  const int64_t length = std::max(kFewest, kRoom / kPositions / (inputs + outputs));
  share(parts, [&](int index) {
    const Range own{count * index / parts, count * (index + 1) / parts};
    Panels mine = sums;
    mine.data += index * sums.size();
    if (own.size() == 0) clear(mine.data, sums.size());
    clear(bias + index * outputs, outputs);
    const Tiled block(length, what);
    for (int64_t begin = own.begin; begin < own.end; begin += length) {
      const Range range{begin, std::min(own.end, begin + length)};
      block.bring_in(what, range, 0);
      add_bias(block.tiles, range.size(), outputs, bias + index * outputs);
      for (int64_t at = 0; at < kPositions; ++at) {
        add_products(at, block.patches, block.tiles, range.size(), {0, sums.count()}, begin > own.begin, mine);
      }
    }
  });
}

// Many channels: each thread takes some of the positions, and all tiles.
void sum_by_positions(const Gradients& what, const Panels& sums, float* bias, int threads, const Share& share) {
  constexpr int64_t kRoom = 8 << 20, kTilesOfAnItem = 16;
  const int64_t inputs = what.x.channels, outputs = what.y.channels, count = what.tiles().count();
  const int64_t panels = sums.count();
  const int64_t length = std::min(count, std::max<int64_t>(128, kRoom / kPositions / (inputs + outputs)));
  const int64_t shares = std::min<int64_t>(panels, up(threads, 8));
  clear(bias, outputs);
  const Tiled block(length, what);
  for (int64_t begin = 0; begin < count; begin += length) {
    const int64_t size = std::min(count - begin, length);
    share(up(size, kTilesOfAnItem), [&](int item) {
      const int64_t first = item * kTilesOfAnItem;
      block.bring_in(what, {begin + first, begin + std::min(size, first + kTilesOfAnItem)}, first);
    });
    share(kPositions * shares, [&](int item) {
      const int64_t at = item / shares, piece = item % shares;
      add_products(at, block.patches, block.tiles, size, {panels * piece / shares, panels * (piece + 1) / shares},
                   begin > 0, sums);
    });
    add_bias(block.tiles, size, outputs, bias);
  }
}

void run(const Gradients& what, int threads, const Share& share) {
  constexpr int64_t kFew = 128 * 128;  // channels times channels whose sums stay in a core's cache
  const int64_t inputs = what.x.channels, outputs = what.y.channels;
  const bool by_tiles = inputs * outputs <= kFew;
  const int64_t parts = by_tiles ? threads : 1;
  Panels sums{nullptr, inputs, outputs};
  const Workspace space((sums.size() + outputs) * parts * sizeof(float));
  sums.data = reinterpret_cast<float*>(space.data());
  float* bias = sums.data + parts * sums.size();
  if (by_tiles) {
    sum_by_tiles(what, sums, bias, parts, share);
  } else {
    sum_by_positions(what, sums, bias, threads, share);
  }
  bring_out(sums, parts, what.windows, share);
  if (what.bias == nullptr) return;
  for (int64_t channel = 0; channel < outputs; ++channel) {
    float sum = bias[channel];
    for (int64_t part = 1; part < parts; ++part) sum += bias[part * outputs + channel];
    what.bias[channel] = sum;
  }
}

}  // namespace

bool winograd_serves(const Geometry& shape) {
  constexpr int64_t kFewestPlaces = 128;  // below, transforming the weight costs more than it saves
  const auto only = [](const Sizes& sizes, int64_t from, int64_t to) {
    return std::all_of(sizes.begin(), sizes.end(), [&](int64_t size) { return from <= size && size <= to; });
  };
  return shape.x.size() == 4 && shape.x_last && shape.y_last && shape.groups == 1 &&
         only({shape.weight[2], shape.weight[3]}, 3, 3) && only(shape.stride, 1, 1) && only(shape.dilation, 1, 1) &&
         only(shape.before, 0, 2) && only(shape.after, 0, 2) &&
         shape.batch() * shape.y[2] * shape.y[3] >= kFewestPlaces;
}

void winograd(Kind kind, const Geometry& shape, float* x, float* weight, float* y, float* bias, int threads,
              const Share& share) {
  const Images inputs{x, shape.x[2], shape.x[3], shape.channels()};
  const Images outputs{y, shape.y[2], shape.y[3], shape.outputs()};
  const int64_t above = shape.before[0], before = shape.before[1], window = kWindow, row = shape.channels() * window;
  if (kind == Kind::kForward) {
    run(Pass{inputs, outputs, {weight, row, window, false}, bias, shape.batch(), above, before}, threads, share);
  } else if (kind == Kind::kData) {
    run(Pass{outputs, inputs, {weight, window, row, true}, nullptr, shape.batch(), 2 - above, 2 - before}, threads,
        share);
  } else {
    run(Gradients{inputs, outputs, {weight, row, window, false}, bias, shape.batch(), above, before}, threads, share);
  }
}

}  // namespace flambeau
