// The loop over the steps of a recurrent layer, and the loop back: what depends on the step before, and nothing else.
//
// The products of all steps at once (of the inputs, and for the weights' gradients) are linear layers'. The sequences of
// a batch do not see each other, so each thread takes some of them through all steps without waiting for anybody.
#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "buffers.h"
#include "cells.h"
#include "engine.h"
#include "parallel.h"
#include "workspace.h"
#include "xla/ffi/api/ffi.h"

namespace flambeau {
namespace {

namespace ffi = xla::ffi;
using dnnl::memory;

constexpr int64_t kWorthAThread = 4000000;  // products of a whole loop; below, waking a thread takes longer
constexpr int64_t kFewestRows = 4;          // sequences of a piece: fewer would read the weights for nothing

// y (rows, columns) = x (rows, depth) @ weight, for a weight that is rearranged once and used many times.
class Product {
 public:
  Product(int64_t rows, int64_t depth, int64_t columns, bool transposed)
      : given_({depth, columns}, memory::data_type::f32,
               transposed ? memory::dims{1, depth} : memory::dims{columns, 1}),
        x_({rows, depth}, memory::data_type::f32, memory::format_tag::ab),
        y_({rows, columns}, memory::data_type::f32, memory::format_tag::ab) {
    dnnl::primitive_attr attributes;
    attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    const memory::desc any({depth, columns}, memory::data_type::f32, memory::format_tag::any);
    const dnnl::matmul::primitive_desc pd(engine(), x_, any, y_, attributes);
    packed_ = pd.weights_desc();
    scratch_ = pd.scratchpad_desc();
    work_ = dnnl::matmul(pd);
    pack_ = dnnl::reorder(dnnl::reorder::primitive_desc(engine(), given_, engine(), packed_));
  }

  size_t packed_bytes() const { return packed_.get_size(); }
  size_t scratch_bytes() const { return scratch_.get_size(); }

  void pack(const float* weight, void* to) const {
    memory from(given_, engine(), const_cast<float*>(weight)), target(packed_, engine(), to);
    pack_.execute(stream(), {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, target}});
  }

  // One for each piece: oneDNN's handles are made once, and moved from step to step.
  class Run {
   public:
    Run(const Product& product, void* packed, void* scratch)
        : work_(product.work_),
          x_(product.x_, engine(), nullptr),
          y_(product.y_, engine(), nullptr),
          arguments_{{DNNL_ARG_SRC, x_},
                     {DNNL_ARG_WEIGHTS, memory(product.packed_, engine(), packed)},
                     {DNNL_ARG_DST, y_},
                     {DNNL_ARG_SCRATCHPAD, memory(product.scratch_, engine(), scratch)}} {}

    void operator()(const float* x, float* y) {
      x_.set_data_handle(const_cast<float*>(x));
      y_.set_data_handle(y);
      work_.execute(stream(), arguments_);
    }

   private:
    dnnl::primitive work_;
    memory x_, y_;
    std::unordered_map<int, memory> arguments_;
  };

 private:
  memory::desc given_, packed_, x_, y_, scratch_;
  dnnl::primitive work_, pack_;
};

// Products made so far. One is small, but sizes may be many: past the limit all are dropped.
std::shared_ptr<const Product> product(int64_t rows, int64_t depth, int64_t columns, bool transposed) {
  constexpr size_t kLimit = 256;
  static auto* mutex = new std::mutex;
  static auto* made = new std::map<std::array<int64_t, 4>, std::shared_ptr<const Product>>;
  const std::array<int64_t, 4> key{rows, depth, columns, transposed};
  std::lock_guard<std::mutex> lock(*mutex);
  const auto found = made->find(key);
  if (found != made->end()) return found->second;
  if (made->size() >= kLimit) made->clear();
  return made->emplace(key, std::make_shared<const Product>(rows, depth, columns, transposed)).first->second;
}

size_t padded(size_t bytes) { return (bytes + 63) / 64 * 64; }

// Has every piece of the batch go through its steps: `steps(first row, rows, multiply, scratch)`, where the scratch
// holds `floats` numbers a row, and `multiply(x, y)` is a product of the piece's rows with the weight.
template <typename Steps>
void for_each_piece(ffi::ThreadPool& pool, int64_t batch, int64_t products, int64_t depth, int64_t columns,
                    bool transposed, const float* weight, int64_t floats, const Steps& steps) {
  const int64_t threads = std::max<int64_t>(1, pool.num_threads());
  const int64_t most = std::min({threads, batch / kFewestRows, products / kWorthAThread});
  const int64_t rows = up(batch, std::max<int64_t>(most, 1));
  const int count = static_cast<int>(up(batch, rows));
  struct Packed {
    std::shared_ptr<const Product> product;
    std::unique_ptr<Workspace> weight;
  };
  OneThread here;
  std::map<int64_t, Packed> by_rows;
  for (int64_t size : {rows, batch - rows * (count - 1)}) {
    if (by_rows.count(size)) continue;
    Packed made{product(size, depth, columns, transposed), nullptr};
    made.weight = std::make_unique<Workspace>(made.product->packed_bytes());
    made.product->pack(weight, made.weight->data());
    by_rows.emplace(size, std::move(made));
  }
  const std::string error = together(pool, count, static_cast<int>(threads), [&](int index) {
    const int64_t first = index * rows, own = std::min(rows, batch - first);
    const Packed& packed = by_rows.at(own);
    const size_t scratch = padded(packed.product->scratch_bytes());
    const Workspace space(scratch + own * floats * sizeof(float));
    Product::Run multiply(*packed.product, packed.weight->data(), space.data());
    steps(first, own, multiply, reinterpret_cast<float*>(space.data() + scratch));
  });
  if (!error.empty()) throw std::runtime_error(error);
}

// Where the arrays of a step begin, for the sequences of a piece. The gates of a sequence lie side by side in
// `projected`, `carried` and `bias`; the results that only the way back reads may be missing.
struct Forward {
  const float *projected, *carried, *bias, *hidden;
  float *memory, *output, *hidden_before, *memory_before, *kept[4];
};

template <typename Cell>
void step_forward(const Forward& step, int64_t rows, int64_t size) {
  constexpr int kGates = Cell::kGates;
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t at = 0; at < size; at += kLanes) {
      const int64_t count = std::min(kLanes, size - at), place = row * size + at;
      Floats x[kGates], h[kGates], kept[4];
      for (int gate = 0; gate < kGates; ++gate) {
        const int64_t from = (row * kGates + gate) * size + at;
        x[gate] = load(step.projected + from, count);
        h[gate] = load(step.carried + from, count);
        if (Cell::kApart) h[gate] += load(step.bias + gate * size + at, count);
      }
      const Floats hidden = load(step.hidden + place, count);
      Floats memory = Cell::kMemory ? load(step.memory + place, count) : all(0);
      const Floats memory_before = memory, output = Cell::forward(x, h, hidden, memory, kept);
      store(step.output + place, output, count);
      if (Cell::kMemory) store(step.memory + place, memory, count);
      if (step.hidden_before == nullptr) continue;
      store(step.hidden_before + place, hidden, count);
      if (Cell::kMemory) store(step.memory_before + place, memory_before, count);
      for (int index = 0; index < Cell::kKept; ++index) store(step.kept[index] + place, kept[index], count);
    }
  }
}

// The gradients that come from the step after are read from `carried` and `later`, and what goes to the step before
// other than by the product is left in `later`.
struct Backward {
  const float *kept[4], *state, *wanted, *carried;
  float *later, *for_x, *for_h;
};

template <typename Cell>
void step_backward(const Backward& step, int64_t rows, int64_t size) {
  constexpr int kGates = Cell::kGates;
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t at = 0; at < size; at += kLanes) {
      const int64_t count = std::min(kLanes, size - at), place = row * size + at;
      Floats kept[4], for_x[kGates], for_h[kGates];
      for (int index = 0; index < Cell::kKept; ++index) kept[index] = load(step.kept[index] + place, count);
      const Floats wanted = load(step.wanted + place, count) + load(step.carried + place, count);
      Floats later = Cell::kLater ? load(step.later + place, count) : all(0);
      Cell::backward(kept, load(step.state + place, count), wanted, later, for_x, for_h);
      if (Cell::kLater) store(step.later + place, later, count);
      for (int gate = 0; gate < kGates; ++gate) {
        const int64_t to = (row * kGates + gate) * size + at;
        store(step.for_x + to, for_x[gate], count);
        if (Cell::kApart) store(step.for_h + to, for_h[gate], count);
      }
    }
  }
}

// The arrays of a call one after the other; those that a cell does not have are skipped and null.
template <typename Buffers>
class Next {
 public:
  explicit Next(const Buffers& buffers) : buffers_(buffers) {}
  float* operator()(bool is_there = true) {
    if (!is_there || place_ >= buffers_.size()) return nullptr;
    return floats(*buffers_.template get<ffi::AnyBuffer>(place_++));
  }

 private:
  const Buffers& buffers_;
  size_t place_ = 0;
};

// (weight (gates * size, size), projected (steps, batch, gates * size), hidden and memory (batch, size), bias of the
// hidden state where it stands apart) -> output (steps, batch, size), last hidden and memory, and if the way back is to
// follow, for all steps: hidden and memory before it, and what is kept.
template <typename Cell>
void forward(ffi::ThreadPool& pool, ffi::AnyBuffer like, ffi::RemainingArgs arguments, ffi::RemainingRets results,
             bool reverse, int64_t products) {
  constexpr int64_t kGates = Cell::kGates;
  const int64_t steps = like.dimensions()[0], batch = like.dimensions()[1], size = like.dimensions()[2] / kGates;
  Next given(arguments), made(results);
  const float *projected = floats(like), *weight = given(), *first_hidden = given();
  const float *first_memory = given(Cell::kMemory), *bias = given(Cell::kApart);
  float *outputs = made(), *last_hidden = made(), *memory = made(Cell::kMemory);
  float *hidden_before = made(), *memory_before = made(Cell::kMemory), *kept[4];
  for (int index = 0; index < 4; ++index) kept[index] = made(index < Cell::kKept);
  for_each_piece(pool, batch, products, size, kGates * size, true, weight, kGates * size,
                 [&](int64_t first, int64_t rows, Product::Run& multiply, float* carried) {
    const int64_t own = first * size, count = rows * size;
    if (Cell::kMemory) std::copy_n(first_memory + own, count, memory + own);
    const float* hidden = first_hidden + own;
    for (int64_t step = 0; step < steps; ++step) {
      const int64_t here = ((reverse ? steps - 1 - step : step) * batch + first) * size;
      const auto at = [&](float* array) { return array == nullptr ? nullptr : array + here; };
      multiply(hidden, carried);
      step_forward<Cell>({projected + kGates * here, carried, bias, hidden, memory + own, outputs + here,
                          at(hidden_before), at(memory_before), {at(kept[0]), at(kept[1]), at(kept[2]), at(kept[3])}},
                         rows, size);
      hidden = outputs + here;
    }
    std::copy_n(hidden, count, last_hidden + own);
  });
}

// (gradients of the outputs, weight, gradients of the last hidden and memory; for all steps: the state that the way back
// reads, and what is kept) -> gradients of what was projected, and of what was carried where it stands apart; of the
// first hidden and memory.
template <typename Cell>
void backward(ffi::ThreadPool& pool, ffi::AnyBuffer like, ffi::RemainingArgs arguments, ffi::RemainingRets results,
              bool reverse, int64_t products) {
  constexpr int64_t kGates = Cell::kGates;
  constexpr bool kShare = Cell::kLater && !Cell::kMemory;  // `later` is a part of the hidden state's gradient
  const int64_t steps = like.dimensions()[0], batch = like.dimensions()[1], size = like.dimensions()[2];
  Next given(arguments), made(results);
  const float *wanted = floats(like), *weight = given(), *last_hidden = given(), *last_memory = given(Cell::kMemory);
  const float *state = given(), *kept[4];
  for (int index = 0; index < 4; ++index) kept[index] = given(index < Cell::kKept);
  float *for_x = made(), *for_h = made(Cell::kApart), *hidden = made(), *memory = made(Cell::kMemory);
  for_each_piece(pool, batch, products, kGates * size, size, false, weight, kShare ? size : 0,
                 [&](int64_t first, int64_t rows, Product::Run& multiply, float* share) {
    const int64_t own = first * size, count = rows * size;
    float* later = kShare ? share : memory + own;
    if (kShare) std::fill_n(later, count, 0.0f);
    if (Cell::kMemory) std::copy_n(last_memory + own, count, later);
    std::copy_n(last_hidden + own, count, hidden + own);  // where gradients are handed from step to step
    for (int64_t step = steps - 1; step >= 0; --step) {
      const int64_t here = ((reverse ? steps - 1 - step : step) * batch + first) * size;
      const auto at = [&](const float* array) { return array == nullptr ? nullptr : array + here; };
      float *to_x = for_x + kGates * here, *to_h = Cell::kApart ? for_h + kGates * here : to_x;
      step_backward<Cell>({{at(kept[0]), at(kept[1]), at(kept[2]), at(kept[3])}, state + here, wanted + here,
                           hidden + own, later, to_x, to_h}, rows, size);
      multiply(to_h, hidden + own);
    }
    for (int64_t index = 0; kShare && index < count; ++index) hidden[own + index] += later[index];
  });
}

using Loop = void (*)(ffi::ThreadPool&, ffi::AnyBuffer, ffi::RemainingArgs, ffi::RemainingRets, bool, int64_t);

// In the order of the kinds in kernels/recurrent.py.
constexpr Loop kForward[] = {forward<Lstm>, forward<Gru>, forward<Plain<false>>, forward<Plain<true>>};
constexpr Loop kBackward[] = {backward<Lstm>, backward<Gru>, backward<Plain<false>>, backward<Plain<true>>};

template <const Loop* kLoops>
ffi::Error called(ffi::ThreadPool pool, ffi::AnyBuffer like, ffi::RemainingArgs arguments, ffi::RemainingRets results,
                  int64_t kind, int64_t reverse, int64_t products) {
  try {
    kLoops[kind](pool, like, arguments, results, reverse, products);
  } catch (const std::exception& problem) {
    return ffi::Error::Internal(std::string("recurrent layer by oneDNN: ") + problem.what() +
                                " (FLAMBEAU_KERNELS=0 does without it)");
  }
  return ffi::Error::Success();
}

auto binding() {
  return ffi::Ffi::Bind()
      .Ctx<ffi::ThreadPool>()
      .Arg<ffi::AnyBuffer>()
      .RemainingArgs()
      .RemainingRets()
      .Attr<int64_t>("kind")
      .Attr<int64_t>("reverse")
      .Attr<int64_t>("products");
}

}  // namespace
}  // namespace flambeau

#pragma GCC visibility push(default)

XLA_FFI_DEFINE_HANDLER_SYMBOL(flambeau_recurrent, flambeau::called<flambeau::kForward>, flambeau::binding());
XLA_FFI_DEFINE_HANDLER_SYMBOL(flambeau_recurrent_gradients, flambeau::called<flambeau::kBackward>, flambeau::binding());

#pragma GCC visibility pop
