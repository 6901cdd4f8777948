// Images at places that lie between their elements: sums of a few elements each, with a share for every one.
//
// The channels of an element are brought side by side, a block at a time, so that a place takes whole vectors of them
// instead of one number from each plane; and so do its gradients.
#include <algorithm>
#include <cstdint>
#include <cstring>

#include "buffers.h"
#include "pages.h"
#include "parallel.h"
#include "vectors.h"
#include "workspace.h"
#include "xla/ffi/api/ffi.h"

namespace flambeau {
namespace {

namespace ffi = xla::ffi;

constexpr int64_t kWorthAThread = 20000;  // numbers read

// The channels of an element that lie side by side: a vector, or four of an image that has no more.
typedef float Few __attribute__((vector_size(4 * sizeof(float))));

template <typename Channels>
constexpr int64_t kWidth = sizeof(Channels) / sizeof(float);

template <typename Channels>
FLAMBEAU_INLINE Channels channels_at(const float* from) {
  Channels values;
  std::memcpy(&values, from, sizeof values);
  return values;
}

template <typename Channels>
FLAMBEAU_INLINE void put(float* to, Channels values) {
  std::memcpy(to, &values, sizeof values);
}

template <typename Channels>
FLAMBEAU_INLINE float added(Channels values) {
  if constexpr (kWidth<Channels> == kLanes) return sum(values);
  else return values[0] + values[1] + (values[2] + values[3]);
}

// What is sampled: images of so many channels and elements, at places that take `taps` elements each.
struct Shape {
  int64_t images, channels, elements, taps, places;
};

// Elements (size, width) of so many planes, which lie `plane` numbers apart; where there is no plane, zeros.
template <typename Channels>
void side_by_side(const float* planes, int64_t count, int64_t size, int64_t plane, float* elements) {
  constexpr int64_t width = kWidth<Channels>;
  int64_t at = 0;
  if constexpr (width == kLanes) {
    const int64_t whole = count == width ? size - size % kLanes : 0;
    for (; at < whole; at += kLanes) transpose(planes + at, plane, elements + at * width, width);
  }
  for (; at < size; ++at) {
    for (int lane = 0; lane < width; ++lane) {
      elements[at * width + lane] = lane < count ? planes[lane * plane + at] : 0;
    }
  }
}

// And back.
template <typename Channels>
void plane_by_plane(const float* elements, int64_t count, int64_t size, int64_t plane, float* planes) {
  constexpr int64_t width = kWidth<Channels>;
  int64_t at = 0;
  if constexpr (width == kLanes) {
    const int64_t whole = count == width ? size - size % kLanes : 0;
    for (; at < whole; at += kLanes) transpose(elements + at * width, width, planes + at, plane);
  }
  for (; at < size; ++at) {
    for (int lane = 0; lane < count; ++lane) planes[lane * plane + at] = elements[at * width + lane];
  }
}

// A block of an image's channels: planes of x and y, and the elements and shares of all places.
struct Block {
  int64_t number, count;
  int64_t x, y, taps;  // where they begin
};

// Calls work(block, room for the elements of two blocks) for all blocks of all images.
template <typename Channels, typename Work>
void each_block(ffi::ThreadPool& pool, const Shape& shape, const Work& work) {
  constexpr int64_t width = kWidth<Channels>;
  const int64_t blocks = up(shape.channels, width), count = shape.images * blocks;
  const int64_t enough = std::max<int64_t>(1, count * shape.places * shape.taps * width / kWorthAThread);
  const int threads = static_cast<int>(std::min({enough, count, pool.num_threads()}));
  const int64_t room = 2 * width * shape.elements;
  Workspace space(threads * room * sizeof(float));
  spread(pool, threads, threads, [&](int index) {
    for (int64_t number = count * index / threads; number < count * (index + 1) / threads; ++number) {
      const int64_t image = number / blocks, first = number % blocks * width, plane = image * shape.channels + first;
      const Block block{number, std::min(width, shape.channels - first), plane * shape.elements,
                        plane * shape.places, image * shape.taps * shape.places};
      work(block, reinterpret_cast<float*>(space.data()) + index * room);
    }
  });
}

template <typename Channels>
void sample(ffi::ThreadPool& pool, const Shape& shape, const float* x, const int32_t* elements, const float* shares,
            float* y) {
  constexpr int64_t width = kWidth<Channels>;
  each_block<Channels>(pool, shape, [&](const Block& block, float* own) {
    side_by_side<Channels>(x + block.x, block.count, shape.elements, shape.elements, own);
    for (int64_t begin = 0; begin < shape.places; begin += kLanes) {
      const int64_t some = std::min(kLanes, shape.places - begin);
      float found[kLanes * width];
      for (int64_t at = 0; at < some; ++at) {
        Channels sums = {};
        for (int64_t tap = 0; tap < shape.taps; ++tap) {
          const int64_t where = block.taps + tap * shape.places + begin + at, element = elements[where];
          if (element >= 0) sums += channels_at<Channels>(own + element * width) * shares[where];
        }
        put<Channels>(found + at * width, sums);
      }
      plane_by_plane<Channels>(found, block.count, some, shape.places, y + block.y + begin);
    }
  });
}

// The gradients of x, and of the shares for each block by itself; either may be missing.
template <typename Channels>
void pull_back(ffi::ThreadPool& pool, const Shape& shape, const float* x, const int32_t* elements, const float* shares,
               const float* gradient, float* of_x, float* of_shares) {
  constexpr int64_t width = kWidth<Channels>;
  each_block<Channels>(pool, shape, [&](const Block& block, float* own) {
    float* sums = own + width * shape.elements;
    float* parts = of_shares == nullptr ? nullptr : of_shares + block.number * shape.taps * shape.places;
    if (of_shares != nullptr) side_by_side<Channels>(x + block.x, block.count, shape.elements, shape.elements, own);
    if (of_x != nullptr) std::fill_n(sums, width * shape.elements, 0.0f);
    for (int64_t begin = 0; begin < shape.places; begin += kLanes) {
      const int64_t some = std::min(kLanes, shape.places - begin);
      float given[kLanes * width];
      side_by_side<Channels>(gradient + block.y + begin, block.count, some, shape.places, given);
      for (int64_t at = 0; at < some; ++at) {
        const Channels wanted = channels_at<Channels>(given + at * width);
        for (int64_t tap = 0; tap < shape.taps; ++tap) {
          const int64_t where = tap * shape.places + begin + at, element = elements[block.taps + where];
          const int64_t first = element * width;
          if (of_shares != nullptr) {
            parts[where] = element < 0 ? 0 : added(channels_at<Channels>(own + first) * wanted);
          }
          if (of_x == nullptr || element < 0) continue;
          put<Channels>(sums + first, channels_at<Channels>(sums + first) + wanted * shares[block.taps + where]);
        }
      }
    }
    if (of_x != nullptr) plane_by_plane<Channels>(sums, block.count, shape.elements, shape.elements, of_x + block.x);
  });
}

// x (images, channels, elements), elements (images, taps, places) -> the shape of it all.
Shape shape_of(ffi::AnyBuffer x, ffi::AnyBuffer elements) {
  const auto sizes = x.dimensions(), taps = elements.dimensions();
  return {sizes[0], sizes[1], sizes[2], taps[1], taps[2]};
}

// Calls work(channels of the type that serves).
template <typename Work>
void by_width(const Shape& shape, const Work& work) {
  shape.channels <= kWidth<Few> ? work(Few{}) : work(Floats{});
}

// (x, elements, of which those below 0 do not count, shares) -> y (images, channels, places).
ffi::Error sampling(ffi::ThreadPool pool, ffi::AnyBuffer x, ffi::AnyBuffer elements, ffi::AnyBuffer shares,
                    ffi::Result<ffi::AnyBuffer> y) {
  const Shape shape = shape_of(x, elements);
  in_large_pages(*y);
  by_width(shape, [&](auto zeros) {
    using Channels = decltype(zeros);
    sample<Channels>(pool, shape, floats(x), numbers<int32_t>(elements), floats(shares), floats(y));
  });
  return ffi::Error::Success();
}

// (x, elements, shares, gradient of y) -> those of `wanted` (1: x, 2: shares) in this order.
ffi::Error sampling_gradients(ffi::ThreadPool pool, ffi::AnyBuffer x, ffi::AnyBuffer elements, ffi::AnyBuffer shares,
                              ffi::AnyBuffer gradient, ffi::RemainingRets results, int64_t wanted) {
  const Shape shape = shape_of(x, elements);
  const auto found = wanted_results<float, 2>(results, wanted);
  by_width(shape, [&](auto zeros) {
    using Channels = decltype(zeros);
    const int64_t blocks = up(shape.channels, kWidth<Channels>), size = shape.taps * shape.places;
    const bool parted = found[1] != nullptr && blocks > 1;
    Workspace space(parted ? shape.images * blocks * size * sizeof(float) : 0);
    float* parts = parted ? reinterpret_cast<float*>(space.data()) : found[1];
    pull_back<Channels>(pool, shape, floats(x), numbers<int32_t>(elements), floats(shares), floats(gradient), found[0],
                       parts);
    if (!parted) return;
    spread(pool, shape.images, pool.num_threads(), [&](int image) {
      float* to = found[1] + image * size;
      for (int64_t block = 0; block < blocks; ++block) {
        const float* from = parts + (image * blocks + block) * size;
        for (int64_t at = 0; at < size; ++at) to[at] = block == 0 ? from[at] : to[at] + from[at];
      }
    });
  });
  return ffi::Error::Success();
}

}  // namespace
}  // namespace flambeau

#pragma GCC visibility push(default)

XLA_FFI_DEFINE_HANDLER_SYMBOL(flambeau_sampling, flambeau::sampling,
                              xla::ffi::Ffi::Bind()
                                  .Ctx<xla::ffi::ThreadPool>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Ret<xla::ffi::AnyBuffer>());

XLA_FFI_DEFINE_HANDLER_SYMBOL(flambeau_sampling_gradients, flambeau::sampling_gradients,
                              xla::ffi::Ffi::Bind()
                                  .Ctx<xla::ffi::ThreadPool>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .RemainingRets()
                                  .Attr<int64_t>("wanted"));

#pragma GCC visibility pop
