// Convolution and both of its gradients on oneDNN, behind XLA's foreign function interface.
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "buffers.h"
#include "engine.h"
#include "few_channels.h"
#include "geometry.h"
#include "pages.h"
#include "parallel.h"
#include "winograd.h"
#include "workspace.h"
#include "xla/ffi/api/ffi.h"

namespace flambeau {
namespace {

namespace ffi = xla::ffi;
using dnnl::memory;

constexpr double kLargeWeight = 200000;  // elements; rearranging fewer is not worth a thread
constexpr int64_t kMostInBlock = 64;     // outputs that oneDNN keeps together in any of its arrangements
constexpr memory::data_type kSingle = memory::data_type::f32;


dnnl::primitive_attr scratchpad_by_caller() {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attributes;
}

size_t padded(size_t bytes) { return (bytes + 63) / 64 * 64; }

// One of the arrays of a tile: how it lies in the caller's memory, and how oneDNN wants it.
struct Operand {
  memory::desc theirs, ours;
  std::optional<dnnl::reorder> move;
  size_t scratch = 0;

  bool moved() const { return move.has_value(); }
  size_t bytes() const { return moved() ? padded(ours.get_size()) : 0; }

  void settle(bool result) {
    if (theirs == ours) return;
    const memory::desc& from = result ? ours : theirs;
    const memory::desc& to = result ? theirs : ours;
    const dnnl::reorder::primitive_desc pd(engine(), from, engine(), to, scratchpad_by_caller());
    scratch = padded(pd.scratchpad_desc().get_size());
    move.emplace(pd);
  }

  void run(void* from, const memory::desc& from_desc, void* to, const memory::desc& to_desc, void* space) const {
    memory source(from_desc, engine(), from), target(to_desc, engine(), to);
    memory scratchpad(memory::desc({static_cast<int64_t>(scratch)}, memory::data_type::u8, {1}), engine(), space);
    move->execute(stream(), {{DNNL_ARG_FROM, source}, {DNNL_ARG_TO, target}, {DNNL_ARG_SCRATCHPAD, scratchpad}});
  }
  void bring_in(void* from, void* to, void* space) const { run(from, theirs, to, ours, space); }
  void bring_out(void* from, void* to, void* space) const { run(from, ours, to, theirs, space); }
};

// oneDNN's primitive for tiles of one size.
struct Piece {
  Operand x, weight, y;
  memory::desc bias, scratchpad;
  dnnl::primitive work;

  size_t scratch_bytes() const {
    return std::max({padded(scratchpad.get_size()), x.scratch, weight.scratch, y.scratch});
  }
};

// Sizes of a weight as oneDNN has them, with an axis for the groups if there are several.
Sizes grouped(const Sizes& sizes, int64_t groups) {
  if (groups == 1) return sizes;
  Sizes result{groups, sizes[0] / groups};
  result.insert(result.end(), sizes.begin() + 1, sizes.end());
  return result;
}

Sizes with(Sizes sizes, int64_t first, int64_t second) {
  sizes[0] = first;
  sizes[1] = second;
  return sizes;
}

// `partial`: the result is a part of a sum, and float32.
std::unique_ptr<Piece> piece(Kind kind, const Geometry& shape, const Tile& tile, bool has_bias, bool partial) {
  auto made = std::make_unique<Piece>();
  const Sizes x = with(shape.x, tile.images.size(), tile.channels.size());
  const Sizes y = with(shape.y, tile.images.size(), tile.outputs.size());
  const Sizes weight =
      grouped(with(shape.weight, tile.outputs.size(), tile.channels.size() / tile.groups), tile.groups);
  Sizes strides = strides_of(shape.weight);
  if (tile.groups > 1) strides.insert(strides.begin(), strides[0] * (tile.outputs.size() / tile.groups));
  const auto type = shape.half ? memory::data_type::bf16 : kSingle, weight_type = partial ? kSingle : type;
  made->x.theirs = memory::desc(x, type, strides_of(shape.x, shape.x_last));
  made->y.theirs = memory::desc(y, type, strides_of(shape.y, shape.y_last));
  made->weight.theirs = memory::desc(weight, weight_type, strides);
  if (has_bias) made->bias = memory::desc({tile.outputs.size()}, weight_type, memory::format_tag::x);

  const auto any = memory::format_tag::any;
  // Channels side by side are taken as they are; a part of them, or planes side by side, oneDNN rearranges.
  const auto offered = [&](const Sizes& sizes, const memory::desc& theirs, bool as_it_is) {
    return as_it_is ? theirs : memory::desc(sizes, type, any);
  };
  const memory::desc weight_any(weight, weight_type, any);
  const memory::desc x_any = offered(x, made->x.theirs, shape.x_last && tile.channels.size() == shape.channels());
  const memory::desc y_any = offered(y, made->y.theirs, shape.y_last && tile.outputs.size() == shape.outputs());
  Sizes between = shape.dilation;
  for (int64_t& step : between) --step;
  const auto attributes = scratchpad_by_caller();
  const auto direct = dnnl::algorithm::convolution_direct;
  const auto forward = [&](dnnl::prop_kind purpose) {
    return dnnl::convolution_forward::primitive_desc(engine(), purpose, direct, x_any, memory::desc(weight, type, any),
                                                     made->bias, y_any, shape.stride, between, shape.before,
                                                     shape.after, attributes);
  };
  const auto settle = [&](const auto& pd) {
    made->scratchpad = pd.scratchpad_desc();
    made->x.settle(kind == Kind::kData);
    made->weight.settle(kind == Kind::kWeights);
    made->y.settle(kind == Kind::kForward);
  };
  if (kind == Kind::kForward) {
    const auto pd = forward(dnnl::prop_kind::forward_training);
    made->x.ours = pd.src_desc(), made->weight.ours = pd.weights_desc(), made->y.ours = pd.dst_desc();
    settle(pd);
    made->work = dnnl::convolution_forward(pd);
  } else if (kind == Kind::kData) {
    const dnnl::convolution_backward_data::primitive_desc pd(engine(), direct, x_any, weight_any, y_any, shape.stride,
                                                             between, shape.before, shape.after,
                                                             forward(dnnl::prop_kind::forward_training), attributes);
    made->x.ours = pd.diff_src_desc(), made->weight.ours = pd.weights_desc(), made->y.ours = pd.diff_dst_desc();
    settle(pd);
    made->work = dnnl::convolution_backward_data(pd);
  } else {
    const dnnl::convolution_backward_weights::primitive_desc pd(
        engine(), direct, x_any, weight_any, made->bias, y_any, shape.stride, between, shape.before, shape.after,
        forward(dnnl::prop_kind::forward_training), attributes);
    made->x.ours = pd.src_desc(), made->weight.ours = pd.diff_weights_desc(), made->y.ours = pd.diff_dst_desc();
    settle(pd);
    made->work = dnnl::convolution_backward_weights(pd);
  }
  return made;
}

// A convolution of known sizes, ready to run.
class Plan {
 public:
  Plan(Kind kind, Geometry shape, bool has_bias, int threads)
      : kind_(kind), shape_(std::move(shape)), has_bias_(has_bias), threads_(threads) {
    Tiling tiling = flambeau::tiling(kind, shape_, threads);
    tiles_ = std::move(tiling.tiles);
    partial_ = tiling.partial;
    std::map<std::array<int64_t, 3>, const Piece*> known;
    for (const Tile& tile : tiles_) {
      const Piece*& found = known[{tile.images.size(), tile.channels.size(), tile.outputs.size()}];
      if (found == nullptr) {
        pieces_.push_back(piece(kind, shape_, tile, has_bias, partial_));
        found = pieces_.back().get();
      }
      piece_of_.push_back(found);
    }
    const Tile& first = tiles_.front();
    if (kind != Kind::kWeights && tiles_.size() > 1 && first.channels.size() == shape_.channels() &&
        first.outputs.size() == shape_.outputs()) {
      for (const auto& piece : pieces_) arrange_weight(*piece);
    }
  }

  // Returns what went wrong, or nothing.
  std::string run(char* x, char* weight, char* y, char* bias, ffi::ThreadPool& pool) const {
    return partial_ ? run_sums(x, weight, y, bias, pool) : run_tiles({x, weight, y, bias}, pool);
  }

 private:
  struct Run {
    char *x, *weight, *y, *bias;
  };

  std::string run_tiles(const Run& arrays, ffi::ThreadPool& pool) const {
    std::vector<std::unique_ptr<Workspace>> spaces;
    for (const Arrangement& wanted : arrangements_) {
      const size_t bytes = padded(wanted.ours.get_size()) + wanted.parts.size() * wanted.scratch;
      spaces.push_back(std::make_unique<Workspace>(bytes));
      const std::string problem = run_arrangement(wanted, arrays.weight, spaces.back()->data(), pool);
      if (!problem.empty()) return problem;
    }
    return together(pool, static_cast<int>(tiles_.size()), threads_, [&](int index) {
      const auto found = arrangement_of_.find(piece_of_[index]);
      run_tile(index, arrays, found == arrangement_of_.end() ? nullptr : spaces[found->second]->data());
    });
  }

  // Gradients of weight and bias of which each tile has a part. All parts but the first, and that too if the result is
  // to be rounded, lie side by side, each weight before its bias.
  std::string run_sums(char* x, char* weight, char* y, char* bias, ffi::ThreadPool& pool) const {
    const size_t weights = static_cast<size_t>(elements(shape_.weight));
    const size_t stride = weights + (has_bias_ ? shape_.outputs() : 0);
    const Workspace space((tiles_.size() - (shape_.half ? 0 : 1)) * stride * sizeof(float));
    auto* parts = reinterpret_cast<float*>(space.data());
    auto *total = reinterpret_cast<float*>(weight), *total_bias = reinterpret_cast<float*>(bias);
    if (shape_.half) total = parts, total_bias = parts + weights, parts += stride;
    const std::string error = together(pool, static_cast<int>(tiles_.size()), threads_, [&](int index) {
      float* own = index == 0 ? total : parts + (index - 1) * stride;
      float* own_bias = index == 0 ? total_bias : own + weights;
      run_tile(index, {x, reinterpret_cast<char*>(own), y, reinterpret_cast<char*>(own_bias)}, nullptr);
    });
    for (size_t index = 1; index < tiles_.size(); ++index, parts += stride) {
      for (size_t at = 0; at < weights; ++at) total[at] += parts[at];
      for (size_t at = weights; at < stride; ++at) total_bias[at - weights] += parts[at];
    }
    if (shape_.half) {
      round(total, weights, reinterpret_cast<Bfloat16*>(weight));
      round(total_bias, stride - weights, reinterpret_cast<Bfloat16*>(bias));
    }
    return error;
  }

  // An arrangement of the whole weight that tiles share, and how it is made, in parts that threads do independently.
  struct Arrangement {
    memory::desc ours;
    std::vector<Operand> parts;
    size_t scratch;  // of a part, at most
  };

  // Every tile reads the whole weight, so it is rearranged once; pieces that want the same arrangement share it.
  void arrange_weight(const Piece& piece) {
    const Operand& weight = piece.weight;
    if (!weight.moved()) return;
    size_t& index = arrangement_of_[&piece];
    for (index = 0; index < arrangements_.size(); ++index) {
      if (arrangements_[index].ours == weight.ours) return;
    }
    Arrangement made{weight.ours, {weight}, weight.scratch};
    const int64_t outputs = weight.ours.get_dims()[0];
    const auto ranges = cut(outputs, elements(shape_.weight) < kLargeWeight ? 1 : threads_, kMostInBlock);
    if (ranges.size() > 1) try {
        std::vector<Operand> parts(ranges.size());
        for (size_t at = 0; at < ranges.size(); ++at) {
          Sizes sizes = weight.ours.get_dims(), begin(sizes.size(), 0);
          sizes[0] = ranges[at].size(), begin[0] = ranges[at].begin;
          parts[at].theirs = weight.theirs.submemory_desc(sizes, begin);
          parts[at].ours = weight.ours.submemory_desc(sizes, begin);
          parts[at].settle(false);
          made.scratch = std::max(made.scratch, parts[at].scratch);
        }
        made.parts = std::move(parts);
      } catch (const dnnl::error&) {
        // blocks of outputs that cannot be cut there: one thread does it
      }
    arrangements_.push_back(std::move(made));
  }

  std::string run_arrangement(const Arrangement& wanted, char* weight, char* to, ffi::ThreadPool& pool) const {
    const size_t bytes = padded(wanted.ours.get_size());
    return together(pool, static_cast<int>(wanted.parts.size()), threads_, [&](int index) {
      wanted.parts[index].bring_in(weight, to, to + bytes + index * wanted.scratch);
    });
  }

  void run_tile(int index, const Run& arrays, char* shared_weight) const {
    const Tile& tile = tiles_[index];
    const Piece& piece = *piece_of_[index];
    const auto place = [](char* array, const memory::desc& desc, const Sizes& sizes, bool last, int64_t first,
                          int64_t second) {
      const Sizes strides = strides_of(sizes, last);
      const size_t size = memory::data_type_size(desc.get_data_type());
      return array + (first * strides[0] + second * strides[1]) * size;
    };
    char* x = place(arrays.x, piece.x.theirs, shape_.x, shape_.x_last, tile.images.begin, tile.channels.begin);
    char* y = place(arrays.y, piece.y.theirs, shape_.y, shape_.y_last, tile.images.begin, tile.outputs.begin);
    char* weight = place(arrays.weight, piece.weight.theirs, shape_.weight, false, tile.outputs.begin,
                         shape_.groups == 1 ? tile.channels.begin : 0);
    const Workspace space(piece.x.bytes() + piece.weight.bytes() + piece.y.bytes() + piece.scratch_bytes());
    char* own_x = space.data();
    char* own_weight = own_x + piece.x.bytes();
    char* own_y = own_weight + piece.weight.bytes();
    char* scratch = own_y + piece.y.bytes();
    if (shared_weight != nullptr) own_weight = shared_weight;

    if (kind_ != Kind::kData && piece.x.moved()) piece.x.bring_in(x, own_x, scratch);
    if (kind_ != Kind::kWeights && piece.weight.moved() && shared_weight == nullptr) {
      piece.weight.bring_in(weight, own_weight, scratch);
    }
    if (kind_ != Kind::kForward && piece.y.moved()) piece.y.bring_in(y, own_y, scratch);

    const auto bound = [](const Operand& operand, void* theirs, void* ours) {
      return memory(operand.ours, engine(), operand.moved() ? ours : theirs);
    };
    std::unordered_map<int, memory> arguments{
        {kind_ == Kind::kData ? DNNL_ARG_DIFF_SRC : DNNL_ARG_SRC, bound(piece.x, x, own_x)},
        {kind_ == Kind::kWeights ? DNNL_ARG_DIFF_WEIGHTS : DNNL_ARG_WEIGHTS, bound(piece.weight, weight, own_weight)},
        {kind_ == Kind::kForward ? DNNL_ARG_DST : DNNL_ARG_DIFF_DST, bound(piece.y, y, own_y)},
        {DNNL_ARG_SCRATCHPAD, memory(piece.scratchpad, engine(), scratch)}};
    if (has_bias_) {
      arguments[kind_ == Kind::kWeights ? DNNL_ARG_DIFF_BIAS : DNNL_ARG_BIAS] =
          memory(piece.bias, engine(), arrays.bias + tile.outputs.begin * memory::data_type_size(piece.bias.get_data_type()));
    }
    piece.work.execute(stream(), arguments);

    if (kind_ == Kind::kData && piece.x.moved()) piece.x.bring_out(own_x, x, scratch);
    if (kind_ == Kind::kWeights && piece.weight.moved()) piece.weight.bring_out(own_weight, weight, scratch);
    if (kind_ == Kind::kForward && piece.y.moved()) piece.y.bring_out(own_y, y, scratch);
  }

  const Kind kind_;
  const Geometry shape_;
  const bool has_bias_;
  const int threads_;
  std::vector<Tile> tiles_;
  std::vector<std::unique_ptr<Piece>> pieces_;
  std::vector<const Piece*> piece_of_;
  bool partial_ = false;
  std::vector<Arrangement> arrangements_;
  std::map<const Piece*, size_t> arrangement_of_;
};

// Plans made so far, by all that they depend on. A plan is small, but shapes may be many: past the limit all are
// dropped.
std::shared_ptr<const Plan> plan(Kind kind, const Geometry& shape, bool has_bias, int threads) {
  constexpr size_t kLimit = 1024;
  static auto* mutex = new std::mutex;
  static auto* plans = new std::map<Sizes, std::shared_ptr<const Plan>>;
  Sizes key{static_cast<int64_t>(kind), has_bias, threads, shape.groups, shape.x_last, shape.y_last,
            shape.half};
  for (const Sizes* sizes :
       {&shape.x, &shape.weight, &shape.y, &shape.stride, &shape.dilation, &shape.before, &shape.after}) {
    key.insert(key.end(), sizes->begin(), sizes->end());
  }
  {
    std::lock_guard<std::mutex> lock(*mutex);
    const auto found = plans->find(key);
    if (found != plans->end()) return found->second;
  }
  OneThread alone;  // how many threads a primitive works on is decided when it is made
  auto made = std::make_shared<const Plan>(kind, shape, has_bias, threads);
  std::lock_guard<std::mutex> lock(*mutex);
  if (plans->size() >= kLimit) plans->clear();
  return plans->emplace(std::move(key), std::move(made)).first->second;
}

Sizes sizes_of(ffi::AnyBuffer buffer) { return {buffer.dimensions().begin(), buffer.dimensions().end()}; }

using Numbers = ffi::Span<const int64_t>;

// kind 0: (x, weight[, bias]) -> y; kind 1: (y, weight) -> x; kind 2: (x, y) -> weight[, bias].
ffi::Error convolution(ffi::ThreadPool pool, ffi::RemainingArgs arguments, ffi::RemainingRets results, int64_t kind,
                       int64_t groups, int64_t products, int64_t x_last, int64_t y_last, Numbers stride, Numbers dilation,
                       Numbers before, Numbers after) {
  const auto what = static_cast<Kind>(kind);
  const auto first = arguments.get<ffi::AnyBuffer>(0), second = arguments.get<ffi::AnyBuffer>(1);
  auto result = results.get<ffi::AnyBuffer>(0);
  if (!first || !second || !result) return ffi::Error::InvalidArgument("convolution: too few arrays");
  const ffi::AnyBuffer made = **result;
  in_large_pages(made);
  const ffi::AnyBuffer x = what == Kind::kData ? made : *first;
  const ffi::AnyBuffer weight = what == Kind::kWeights ? made : *second;
  const ffi::AnyBuffer y = what == Kind::kForward ? made : what == Kind::kData ? *first : *second;
  const auto bytes = [](ffi::AnyBuffer buffer) { return static_cast<char*>(buffer.untyped_data()); };
  char* bias = nullptr;
  if (what == Kind::kForward && arguments.size() > 2) {
    bias = bytes(*arguments.get<ffi::AnyBuffer>(2));
  }
  if (what == Kind::kWeights && results.size() > 1) {
    bias = bytes(**results.get<ffi::AnyBuffer>(1));
  }
  const auto listed = [](Numbers numbers) { return Sizes(numbers.begin(), numbers.end()); };
  Geometry shape{sizes_of(x), sizes_of(weight), sizes_of(y), listed(stride), listed(dilation), listed(before),
                 listed(after), groups, products, x_last != 0, y_last != 0,
                 x.element_type() == ffi::BF16};
  const int threads = std::max<int>(1, static_cast<int>(pool.num_threads()));
  try {
    const auto own = !shape.half && winograd_serves(shape)            ? winograd
                     : !shape.half && few_channels_serve(what, shape) ? few_channels
                                                                      : nullptr;
    if (own != nullptr) {
      std::string error;
      own(what, shape, floats(x), floats(weight), floats(y), reinterpret_cast<float*>(bias), threads,
          [&](int count, const std::function<void(int)>& work) { error += together(pool, count, threads, work); });
      return outcome(error);
    }
    const auto ready = plan(what, shape, bias != nullptr, threads);
    return outcome(ready->run(bytes(x), bytes(weight), bytes(y), bias, pool));
  } catch (const std::exception& problem) {
    return outcome(problem.what());
  }
}

}  // namespace
}  // namespace flambeau

#pragma GCC visibility push(default)  // everything else stays in the library

extern "C" int flambeau_instructions() { return static_cast<int>(dnnl_get_effective_cpu_isa()); }

XLA_FFI_DEFINE_HANDLER_SYMBOL(flambeau_convolution, flambeau::convolution,
                              xla::ffi::Ffi::Bind()
                                  .Ctx<xla::ffi::ThreadPool>()
                                  .RemainingArgs()
                                  .RemainingRets()
                                  .Attr<int64_t>("kind")
                                  .Attr<int64_t>("groups")
                                  .Attr<int64_t>("products")
                                  .Attr<int64_t>("x_last")
                                  .Attr<int64_t>("y_last")
                                  .Attr<xla::ffi::Span<const int64_t>>("stride")
                                  .Attr<xla::ffi::Span<const int64_t>>("dilation")
                                  .Attr<xla::ffi::Span<const int64_t>>("before")
                                  .Attr<xla::ffi::Span<const int64_t>>("after"));
#pragma GCC visibility pop
