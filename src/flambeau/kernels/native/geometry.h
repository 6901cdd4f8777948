// What a convolution is (its sizes), and how it is cut into pieces that threads do independently.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <vector>

namespace flambeau {

enum class Kind : int64_t { kForward = 0, kData = 1, kWeights = 2 };

using Sizes = std::vector<int64_t>;

// Calls work(0) ... work(count - 1), in any order, on all threads.
using Share = std::function<void(int count, const std::function<void(int)>& work)>;

// Inputs x (batch, channels, in...), weight (outputs, channels / groups, kernel...), result y (batch, outputs, out...).
struct Geometry {
  Sizes x, weight, y;
  Sizes stride, dilation, before, after;
  int64_t groups;
  int64_t products;  // multiplications in all
  bool x_last, y_last;  // whether the channels of x and y lie side by side in memory
  bool half;            // whether numbers are bfloat16

  int64_t batch() const { return x[0]; }
  int64_t channels() const { return x[1]; }
  int64_t outputs() const { return y[1]; }
};

// Distance in memory between neighbors along each axis; `last`: channels, the second axis, lie side by side.
inline Sizes strides_of(const Sizes& sizes, bool last = false) {
  Sizes strides(sizes.size(), 1);
  int64_t step = last ? sizes[1] : 1;
  for (size_t axis = sizes.size() - 1; axis > 1; --axis) {
    strides[axis] = step;
    step *= sizes[axis];
  }
  if (sizes.size() > 1 && !last) {
    strides[1] = step;
    step *= sizes[1];
  }
  strides[0] = step;
  return strides;
}

inline double elements(const Sizes& sizes) {
  double count = 1;
  for (int64_t size : sizes) count *= size;
  return count;
}

struct Range {
  int64_t begin, end;
  int64_t size() const { return end - begin; }
};

// A piece of the work: some images, some channels, some outputs (and the groups these are).
struct Tile {
  Range images, channels, outputs;
  int64_t groups;
};

// `size` cut into at most `parts` ranges whose lengths, except the last one's, are equal multiples of `unit`.
inline std::vector<Range> cut(int64_t size, int64_t parts, int64_t unit) {
  const int64_t units = (size + unit - 1) / unit;
  parts = std::max<int64_t>(1, std::min(parts, units));
  const int64_t step = (units + parts - 1) / parts * unit;
  std::vector<Range> ranges;
  for (int64_t begin = 0; begin < size; begin += step) ranges.push_back({begin, std::min(size, begin + step)});
  return ranges;
}

// Tiles for so many threads, and whether each gives only a part of the sum (a weight gradient cut by images).
struct Tiling {
  std::vector<Tile> tiles;
  bool partial;
};

inline Tiling tiling(Kind kind, const Geometry& shape, int64_t threads) {
  constexpr int64_t kWorthAThread = 1000000;  // products; below, waking a thread takes longer
  constexpr int64_t kVector = 16;        // channels that oneDNN computes at once
  constexpr int64_t kTilesOfAThread = 4;
  threads = std::max<int64_t>(1, std::min(threads, shape.products / kWorthAThread));
  int64_t by_images = std::min(threads, shape.batch());
  // Cut by images, every tile of a weight gradient is as large as the weight, and all are added up. Cut by channels,
  // every tile rearranges all images again.
  const bool adding_costs_more = elements(shape.weight) > elements(shape.x) + elements(shape.y);
  if (kind == Kind::kWeights && (adding_costs_more || by_images < threads)) by_images = 1;
  const int64_t by_channels = (threads + by_images - 1) / by_images;
  const Range all_channels{0, shape.channels()}, all_outputs{0, shape.outputs()};
  std::vector<Tile> columns;
  if (shape.groups > 1) {
    const int64_t channels = shape.channels() / shape.groups, outputs = shape.outputs() / shape.groups;
    for (Range part : cut(shape.groups, by_channels, kVector)) {
      columns.push_back({{}, {part.begin * channels, part.end * channels},
                         {part.begin * outputs, part.end * outputs}, part.size()});
    }
  } else if (kind == Kind::kData) {
    for (Range part : cut(shape.channels(), by_channels, kVector)) columns.push_back({{}, part, all_outputs, 1});
  } else {
    for (Range part : cut(shape.outputs(), by_channels, kVector)) columns.push_back({{}, all_channels, part, 1});
  }
  Tiling result{{}, false};
  // More tiles than threads, so that a thread that comes late, or is held up, leaves its share to the others. Not where
  // every tile is a sum of its own.
  int64_t count = by_images;
  if (kind != Kind::kWeights && by_images == threads && threads > 1) {
    count = std::min({shape.batch(), threads * kTilesOfAThread, shape.products / kWorthAThread});
  }
  const std::vector<Range> rows = cut(shape.batch(), count, 1);
  for (const Range& images : rows) {
    for (Tile tile : columns) {
      tile.images = images;
      result.tiles.push_back(tile);
    }
  }
  result.partial = kind == Kind::kWeights && rows.size() > 1;
  return result;
}

}  // namespace flambeau
