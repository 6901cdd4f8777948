// The loop over the steps of an LSTM, and the loop back: what depends on the step before, and nothing else.
//
// The products of all steps at once (of the inputs, and for the weights' gradients) are XLA's. The sequences of a batch
// do not see each other, so each thread takes some of them through all steps without waiting for anybody.
#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "buffers.h"
#include "engine.h"
#include "parallel.h"
#include "vectors.h"
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
  const int64_t rows = (batch + std::max<int64_t>(most, 1) - 1) / std::max<int64_t>(most, 1);
  const int count = static_cast<int>((batch + rows - 1) / rows);
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
  std::mutex mutex;
  std::string error;
  spread(pool, count, static_cast<int>(threads), [&](int index) {
    try {
      OneThread there;
      const int64_t first = index * rows, own = std::min(rows, batch - first);
      const Packed& packed = by_rows.at(own);
      const size_t scratch = padded(packed.product->scratch_bytes());
      const Workspace space(scratch + own * floats * sizeof(float));
      Product::Run multiply(*packed.product, packed.weight->data(), space.data());
      steps(first, own, multiply, reinterpret_cast<float*>(space.data() + scratch));
    } catch (const std::exception& problem) {
      std::lock_guard<std::mutex> lock(mutex);
      error = problem.what();
    }
  });
  if (!error.empty()) throw std::runtime_error(error);
}

FLAMBEAU_INLINE Floats sigmoid(Floats x) { return 1.0f / (1.0f + exponential(-x)); }

// Near zero a polynomial, since there the difference from 1 has few digits left.
FLAMBEAU_INLINE Floats hyperbolic_tangent(Floats x) {
  const Floats far = 1.0f - 2.0f / (1.0f + exponential(2.0f * x));
  const Floats square = x * x;
  Floats p = all(62.0f / 2835);
  p = p * square - 17.0f / 315;
  p = p * square + 2.0f / 15;
  p = p * square - 1.0f / 3;
  const Floats near = x + x * square * p;
  return square < all(0.0625f) ? near : far;
}

// Where the arrays of a step begin, for the sequences of a piece; `size` is the hidden size, gates lie side by side.
struct Forward {
  const float *projected, *carried, *memory;
  float *gates[4], *hidden, *next_memory;
};

void step_forward(const Forward& step, int64_t rows, int64_t size) {
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t at = 0; at < size; at += kLanes) {
      const int64_t count = std::min(kLanes, size - at), place = row * size + at;
      Floats sums[4];
      for (int64_t gate = 0; gate < 4; ++gate) {
        const int64_t from = (row * 4 + gate) * size + at;
        sums[gate] = load(step.projected + from, count) + load(step.carried + from, count);
      }
      const Floats enter = sigmoid(sums[0]), forget = sigmoid(sums[1]);
      const Floats candidate = hyperbolic_tangent(sums[2]), leave = sigmoid(sums[3]);
      const Floats memory = forget * load(step.memory + place, count) + enter * candidate;
      store(step.gates[0] + place, enter, count);
      store(step.gates[1] + place, forget, count);
      store(step.gates[2] + place, candidate, count);
      store(step.gates[3] + place, leave, count);
      store(step.next_memory + place, memory, count);
      store(step.hidden + place, leave * hyperbolic_tangent(memory), count);
    }
  }
}

// The gradients that come from the step after are read from `later`, and those of the step before go into it.
struct Backward {
  const float *gates[4], *memory, *wanted, *carried;
  float *later_memory, *gradient;
};

void step_backward(const Backward& step, int64_t rows, int64_t size) {
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t at = 0; at < size; at += kLanes) {
      const int64_t count = std::min(kLanes, size - at), place = row * size + at;
      const Floats enter = load(step.gates[0] + place, count), forget = load(step.gates[1] + place, count);
      const Floats candidate = load(step.gates[2] + place, count), leave = load(step.gates[3] + place, count);
      const Floats memory = load(step.memory + place, count);
      const Floats wanted = load(step.wanted + place, count) + load(step.carried + place, count);
      const Floats shown = hyperbolic_tangent(forget * memory + enter * candidate);
      const Floats through = load(step.later_memory + place, count) + wanted * leave * (1.0f - shown * shown);
      float* to = step.gradient + row * 4 * size + at;
      store(to, through * candidate * enter * (1.0f - enter), count);
      store(to + size, through * memory * forget * (1.0f - forget), count);
      store(to + 2 * size, through * enter * (1.0f - candidate * candidate), count);
      store(to + 3 * size, wanted * shown * leave * (1.0f - leave), count);
      store(step.later_memory + place, through * forget, count);
    }
  }
}

ffi::Error failed(const std::exception& problem) {
  return ffi::Error::Internal(std::string("LSTM by oneDNN: ") + problem.what() +
                              " (FLAMBEAU_KERNELS=0 does without it)");
}

// projected (steps, batch, 4 sizes), hidden and memory (batch, size), weight (4 sizes, size) -> for all steps: output,
// four gates, hidden and memory before the step, (steps, batch, size) each; last hidden and last memory.
ffi::Error lstm(ffi::ThreadPool pool, ffi::AnyBuffer projected, ffi::AnyBuffer hidden, ffi::AnyBuffer memory,
                ffi::AnyBuffer weight, ffi::Result<ffi::AnyBuffer> output, ffi::Result<ffi::AnyBuffer> enter,
                ffi::Result<ffi::AnyBuffer> forget, ffi::Result<ffi::AnyBuffer> candidate,
                ffi::Result<ffi::AnyBuffer> leave, ffi::Result<ffi::AnyBuffer> hidden_before,
                ffi::Result<ffi::AnyBuffer> memory_before, ffi::Result<ffi::AnyBuffer> last_hidden,
                ffi::Result<ffi::AnyBuffer> last_memory, int64_t reverse, int64_t products) {
  const int64_t steps = projected.dimensions()[0], batch = projected.dimensions()[1];
  const int64_t size = hidden.dimensions()[1];
  const float *from = floats(projected), *first_hidden = floats(hidden), *first_memory = floats(memory);
  float* gates[] = {floats(enter), floats(forget), floats(candidate), floats(leave)};
  float *outputs = floats(output), *hiddens = floats(hidden_before), *memories = floats(memory_before);
  float *final_hidden = floats(last_hidden), *final_memory = floats(last_memory);
  try {
    for_each_piece(pool, batch, products, size, 4 * size, true, floats(weight), 4 * size,
                   [&](int64_t first, int64_t rows, Product::Run& multiply, float* carried) {
      const int64_t own = first * size, count = rows * size;
      const auto place = [&](int64_t step) { return ((reverse ? steps - 1 - step : step) * batch + first) * size; };
      std::copy_n(first_hidden + own, count, hiddens + place(0));
      std::copy_n(first_memory + own, count, memories + place(0));
      for (int64_t step = 0; step < steps; ++step) {
        const int64_t here = place(step);
        const bool last = step + 1 == steps;
        multiply(hiddens + here, carried);
        step_forward({from + 4 * here, carried, memories + here,
                      {gates[0] + here, gates[1] + here, gates[2] + here, gates[3] + here}, outputs + here,
                      last ? final_memory + own : memories + place(step + 1)}, rows, size);
        std::copy_n(outputs + here, count, last ? final_hidden + own : hiddens + place(step + 1));
      }
    });
  } catch (const std::exception& problem) {
    return failed(problem);
  }
  return ffi::Error::Success();
}

// Gradients with respect to the outputs, the last hidden and the last memory; the four gates and the memory before each
// step; the weight -> gradients with respect to what was projected, the first hidden and the first memory.
ffi::Error lstm_gradients(ffi::ThreadPool pool, ffi::AnyBuffer outputs, ffi::AnyBuffer last_hidden,
                          ffi::AnyBuffer last_memory, ffi::AnyBuffer enter, ffi::AnyBuffer forget,
                          ffi::AnyBuffer candidate, ffi::AnyBuffer leave, ffi::AnyBuffer memory_before,
                          ffi::AnyBuffer weight, ffi::Result<ffi::AnyBuffer> projected,
                          ffi::Result<ffi::AnyBuffer> hidden, ffi::Result<ffi::AnyBuffer> memory, int64_t reverse,
                          int64_t products) {
  const int64_t steps = outputs.dimensions()[0], batch = outputs.dimensions()[1], size = outputs.dimensions()[2];
  const float* gates[] = {floats(enter), floats(forget), floats(candidate), floats(leave)};
  const float *wanted = floats(outputs), *memories = floats(memory_before);
  float *gradients = floats(projected), *first_hidden = floats(hidden), *first_memory = floats(memory);
  const float *final_hidden = floats(last_hidden), *final_memory = floats(last_memory);
  try {
    for_each_piece(pool, batch, products, 4 * size, size, false, floats(weight), 0,
                   [&](int64_t first, int64_t rows, Product::Run& multiply, float*) {
      const int64_t own = first * size, count = rows * size;
      std::copy_n(final_hidden + own, count, first_hidden + own);  // where gradients are handed from step to step
      std::copy_n(final_memory + own, count, first_memory + own);
      for (int64_t step = steps - 1; step >= 0; --step) {
        const int64_t here = ((reverse ? steps - 1 - step : step) * batch + first) * size;
        step_backward({{gates[0] + here, gates[1] + here, gates[2] + here, gates[3] + here}, memories + here,
                       wanted + here, first_hidden + own, first_memory + own, gradients + 4 * here}, rows, size);
        multiply(gradients + 4 * here, first_hidden + own);
      }
    });
  } catch (const std::exception& problem) {
    return failed(problem);
  }
  return ffi::Error::Success();
}

using Any = ffi::AnyBuffer;

}  // namespace
}  // namespace flambeau

#pragma GCC visibility push(default)

XLA_FFI_DEFINE_HANDLER_SYMBOL(
    flambeau_lstm, flambeau::lstm,
    xla::ffi::Ffi::Bind()
        .Ctx<xla::ffi::ThreadPool>()
        .Arg<flambeau::Any>().Arg<flambeau::Any>().Arg<flambeau::Any>().Arg<flambeau::Any>()
        .Ret<flambeau::Any>().Ret<flambeau::Any>().Ret<flambeau::Any>().Ret<flambeau::Any>().Ret<flambeau::Any>()
        .Ret<flambeau::Any>().Ret<flambeau::Any>().Ret<flambeau::Any>().Ret<flambeau::Any>()
        .Attr<int64_t>("reverse")
        .Attr<int64_t>("products"));

XLA_FFI_DEFINE_HANDLER_SYMBOL(
    flambeau_lstm_gradients, flambeau::lstm_gradients,
    xla::ffi::Ffi::Bind()
        .Ctx<xla::ffi::ThreadPool>()
        .Arg<flambeau::Any>().Arg<flambeau::Any>().Arg<flambeau::Any>().Arg<flambeau::Any>().Arg<flambeau::Any>()
        .Arg<flambeau::Any>().Arg<flambeau::Any>().Arg<flambeau::Any>().Arg<flambeau::Any>()
        .Ret<flambeau::Any>().Ret<flambeau::Any>().Ret<flambeau::Any>()
        .Attr<int64_t>("reverse")
        .Attr<int64_t>("products"));

#pragma GCC visibility pop
