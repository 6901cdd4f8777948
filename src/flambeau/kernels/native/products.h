// Matrix products on the calling thread, by oneDNN.
#pragma once

#include <cstdint>
#include <map>
#include <tuple>
#include <unordered_map>

#include "engine.h"
#include "halves.h"
#include "oneapi/dnnl/dnnl.h"
#include "workspace.h"

namespace flambeau {

// A matrix, or its transpose, whose rows lie `stride` numbers apart.
template <typename Number>
struct Rows {
  const Number* data;
  int64_t stride;
  bool transposed = false;
};
using Matrix = Rows<float>;

// result (rows, columns) = factor * x @ y, plus `kept` times what is there; the inner size is `depth`.
inline void multiply(int64_t rows, int64_t columns, int64_t depth, Matrix x, Matrix y, float* result, int64_t stride,
                     float factor = 1, float kept = 0) {
  dnnl_sgemm(x.transposed ? 'T' : 'N', y.transposed ? 'T' : 'N', rows, columns, depth, factor, x.data, x.stride,
             y.data, y.stride, kept, result, stride);
}

// The same for bfloat16, by a primitive of oneDNN for products of one size, summed as float32; a thread's own, since it
// remembers where its operands are.
class HalfProduct {
 public:
  // What it depends on. A primitive knows its factor, and has the result added to what is there, or not.
  struct Key {
    int64_t rows, columns, depth, of_x, of_y, of_result;  // sizes, and strides
    bool x_transposed, y_transposed, single, adds, biased;  // `single`: whether the result is float32
    float factor;
    auto tied() const {
      return std::tie(rows, columns, depth, of_x, of_y, of_result, x_transposed, y_transposed, single, adds, biased,
                      factor);
    }
    bool operator<(const Key& other) const { return tied() < other.tied(); }
  };

  explicit HalfProduct(const Key& key) {
    using dnnl::memory;
    const auto half = memory::data_type::bf16;
    const auto described = [](int64_t rows, int64_t columns, int64_t stride, bool transposed, memory::data_type type) {
      return memory::desc({rows, columns}, type, transposed ? memory::dims{1, stride} : memory::dims{stride, 1});
    };
    dnnl::post_ops after;
    if (key.factor != 1) after.append_eltwise(dnnl::algorithm::eltwise_linear, key.factor, 0);
    if (key.adds) after.append_sum();
    dnnl::primitive_attr attributes;
    attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    attributes.set_post_ops(after);
    const dnnl::matmul::primitive_desc made(
        engine(), described(key.rows, key.depth, key.of_x, key.x_transposed, half),
        described(key.depth, key.columns, key.of_y, key.y_transposed, half),
        key.biased ? memory::desc({1, key.columns}, half, {key.columns, 1}) : memory::desc(),
        described(key.rows, key.columns, key.of_result, false, key.single ? memory::data_type::f32 : half), attributes);
    work_ = dnnl::matmul(made);
    scratch_ = made.scratchpad_desc().get_size();
    const auto add = [&](int role, const memory::desc& what) { roles_.emplace(role, memory(what, engine(), nullptr)); };
    add(DNNL_ARG_SRC, made.src_desc());
    add(DNNL_ARG_WEIGHTS, made.weights_desc());
    add(DNNL_ARG_DST, made.dst_desc());
    add(DNNL_ARG_SCRATCHPAD, made.scratchpad_desc());
    if (key.biased) add(DNNL_ARG_BIAS, made.bias_desc());
  }

  void run(const Bfloat16* x, const Bfloat16* y, const Bfloat16* bias, void* result) {
    const Workspace scratch(scratch_);
    roles_[DNNL_ARG_SRC].set_data_handle(const_cast<Bfloat16*>(x));
    roles_[DNNL_ARG_WEIGHTS].set_data_handle(const_cast<Bfloat16*>(y));
    roles_[DNNL_ARG_DST].set_data_handle(result);
    roles_[DNNL_ARG_SCRATCHPAD].set_data_handle(scratch.data());
    if (bias != nullptr) roles_[DNNL_ARG_BIAS].set_data_handle(const_cast<Bfloat16*>(bias));
    work_.execute(stream(), roles_);
  }

  // The calling thread's, made when it is first asked for; past the limit all are dropped.
  static HalfProduct& of(const Key& key) {
    constexpr size_t kLimit = 1024;
    thread_local std::map<Key, HalfProduct> known;
    const auto found = known.find(key);
    if (found != known.end()) return found->second;
    if (known.size() >= kLimit) known.clear();
    return known.emplace(key, HalfProduct(key)).first->second;
  }

 private:
  dnnl::primitive work_;
  size_t scratch_;
  std::unordered_map<int, dnnl::memory> roles_;
};

// `kept` is 0 or 1; the result, of float32 or bfloat16, is rounded once, after the bias of each column if there is one.
template <typename Number>
void multiply(int64_t rows, int64_t columns, int64_t depth, Rows<Bfloat16> x, Rows<Bfloat16> y, Number* result,
              int64_t stride, float factor = 1, float kept = 0, const Bfloat16* bias = nullptr) {
  const HalfProduct::Key key{rows,         columns,      depth, x.stride, y.stride, stride, x.transposed,
                             y.transposed, sizeof(Number) == sizeof(float), kept != 0, bias != nullptr, factor};
  HalfProduct::of(key).run(x.data, y.data, bias, result);
}

}  // namespace flambeau
