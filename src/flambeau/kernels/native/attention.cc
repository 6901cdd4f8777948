// Attention and its gradients, some queries at a time: the whole matrix of scores is never there.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "buffers.h"
#include "pages.h"
#include "parallel.h"
#include "products.h"
#include "vectors.h"
#include "workspace.h"
#include "xla/ffi/api/ffi.h"

namespace flambeau {
namespace {

namespace ffi = xla::ffi;

constexpr float kNever = -std::numeric_limits<float>::infinity();

// How scores become weights. `causal`: query i sees the keys 0 to i only. Where the mask is repeated, strides are 0.
struct Rule {
  bool causal;
  const float* mask;  // nullptr, or what is added to the scores
  bool boolean;       // the mask consists of 0 and -inf, and is a choice, not a sum
  int64_t by_batch, by_head, by_query, by_key;
};

// Sizes, and places: queries (batch, queries, heads, width), keys (batch, keys, heads, width), values likewise.
struct Sizes {
  int64_t batch, heads, queries, keys, width, values;

  // Queries at a time: what belongs to them stays in the processor's cache.
  int64_t block() const { return std::min(queries, std::max<int64_t>(16, std::min<int64_t>(64, 131072 / keys))); }
  int64_t seen(const Rule& rule, int64_t end) const { return rule.causal ? std::min(keys, end) : keys; }
};

FLAMBEAU_INLINE Floats masked(const Rule& rule, const float* mask, int64_t at, int64_t count, Floats scores) {
  const Floats added = rule.by_key == 1 ? load(mask + at, count, kNever) : all(mask[0]);
  return rule.boolean ? (added == kNever ? added : scores) : scores + added;
}

// Scores of one query with `seen` keys become weights, in place.
FLAMBEAU_INLINE void softmax(const Rule& rule, const float* mask, int64_t seen, float* row) {
  Floats highest = all(kNever);
  for (int64_t at = 0; at < seen; at += kLanes) {
    const int64_t count = seen - at;
    Floats scores = load(row + at, count, kNever);
    if (mask != nullptr) {
      scores = masked(rule, mask, at, count, scores);
      store(row + at, scores, count);
    }
    highest = larger(scores, highest);
  }
  const float most = largest(highest);
  if (mask != nullptr && most == kNever) {
    std::fill(row, row + seen, 0.0f);
    return;
  }
  Floats total = all(0);
  for (int64_t at = 0; at < seen; at += kLanes) {
    const Floats weights = exponential(load(row + at, seen - at, kNever) - most);
    store(row + at, weights, seen - at);
    total += weights;
  }
  const float share = 1 / sum(total);
  for (int64_t at = 0; at < seen; at += kLanes) store(row + at, load(row + at, seen - at) * share, seen - at);
}

void weigh(const Rule& rule, const float* mask, int64_t begin, int64_t rows, int64_t seen, float* scores) {
  for (int64_t row = 0; row < rows; ++row, scores += seen) {
    const int64_t open = rule.causal ? std::min(seen, begin + row + 1) : seen;
    std::fill(scores + open, scores + seen, kNever);
    softmax(rule, mask == nullptr ? nullptr : mask + (begin + row) * rule.by_query, seen, scores);
  }
}

// From weights w and their gradients g, those of the scores, w * (g - sum(w * g)), in place of g.
void pull_back(const float* weights, int64_t rows, int64_t seen, float* gradients) {
  for (int64_t row = 0; row < rows; ++row, weights += seen, gradients += seen) {
    Floats total = all(0);
    for (int64_t at = 0; at < seen; at += kLanes) {
      total += load(weights + at, seen - at) * load(gradients + at, seen - at);
    }
    const float mean = sum(total);
    for (int64_t at = 0; at < seen; at += kLanes) {
      const int64_t count = seen - at;
      store(gradients + at, load(weights + at, count) * (load(gradients + at, count) - mean), count);
    }
  }
}

struct Operands {
  const float *query, *key, *value;
};

// The weights of the queries from `begin` on, as (rows, seen).
void weights_of(const Sizes& sizes, const Rule& rule, const Operands& from, const float* mask, float scale,
                int64_t begin, int64_t rows, int64_t seen, float* weights) {
  const int64_t step = sizes.heads * sizes.width;
  multiply(rows, seen, sizes.width, {from.query + begin * step, step}, {from.key, step, true}, weights, seen, scale);
  weigh(rule, mask, begin, rows, seen, weights);
}

Sizes sizes_of(ffi::AnyBuffer query, ffi::AnyBuffer key, ffi::AnyBuffer value) {
  const auto of_query = query.dimensions(), of_key = key.dimensions();
  return {of_query[0], of_query[2], of_query[1], of_key[1], of_query[3], value.dimensions()[3]};
}

// The mask is (1 or batch, 1 or heads, 1 or queries, 1 or keys); an empty one stands for none.
Rule rule_of(ffi::AnyBuffer mask, int64_t causal, int64_t boolean) {
  if (mask.element_count() == 0) return {causal != 0, nullptr, false, 0, 0, 0, 0};
  const auto shape = mask.dimensions();
  Rule rule{causal != 0, floats(mask), boolean != 0, 0, 0, 0, shape[3] > 1};
  if (shape[0] > 1) rule.by_batch = shape[1] * shape[2] * shape[3];
  if (shape[1] > 1) rule.by_head = shape[2] * shape[3];
  if (shape[2] > 1) rule.by_query = shape[3];
  return rule;
}

const float* mask_of(const Rule& rule, int64_t batch, int64_t head) {
  return rule.mask == nullptr ? nullptr : rule.mask + batch * rule.by_batch + head * rule.by_head;
}

Operands operands_of(const Sizes& sizes, ffi::AnyBuffer query, ffi::AnyBuffer key, ffi::AnyBuffer value, int64_t batch,
                     int64_t head) {
  return {floats(query) + batch * sizes.queries * sizes.heads * sizes.width + head * sizes.width,
          floats(key) + batch * sizes.keys * sizes.heads * sizes.width + head * sizes.width,
          floats(value) + batch * sizes.keys * sizes.heads * sizes.values + head * sizes.values};
}

// (query, key, value, mask, scale) -> (batch, queries, heads, values).
ffi::Error attention(ffi::ThreadPool pool, ffi::AnyBuffer query, ffi::AnyBuffer key, ffi::AnyBuffer value,
                     ffi::AnyBuffer mask, ffi::AnyBuffer scale, ffi::Result<ffi::AnyBuffer> result, int64_t causal,
                     int64_t boolean, int64_t products) {
  const Sizes sizes = sizes_of(query, key, value);
  const Rule rule = rule_of(mask, causal, boolean);
  const int64_t block = sizes.block(), blocks = up(sizes.queries, block);
  const float factor = *floats(scale);
  in_large_pages(*result);
  float* to = floats(*result);
  spread(pool, sizes.batch * sizes.heads * blocks, pool.num_threads(), [&](int index) {
    OneThread alone;
    const int64_t batch = index / blocks / sizes.heads, head = index / blocks % sizes.heads;
    const int64_t begin = index % blocks * block, rows = std::min(block, sizes.queries - begin);
    const int64_t seen = sizes.seen(rule, begin + rows), step = sizes.heads * sizes.values;
    const Operands from = operands_of(sizes, query, key, value, batch, head);
    Workspace space(rows * seen * sizeof(float));
    float* weights = reinterpret_cast<float*>(space.data());
    weights_of(sizes, rule, from, mask_of(rule, batch, head), factor, begin, rows, seen, weights);
    multiply(rows, sizes.values, seen, {weights, seen}, {from.value, step},
             to + (batch * sizes.queries + begin) * step + head * sizes.values, step);
  });
  return ffi::Error::Success();
}

// (query, key, value, mask, scale, gradient) -> those of query, key and value. The weights are computed again.
ffi::Error attention_gradients(ffi::ThreadPool pool, ffi::AnyBuffer query, ffi::AnyBuffer key, ffi::AnyBuffer value,
                               ffi::AnyBuffer mask, ffi::AnyBuffer scale, ffi::AnyBuffer gradient,
                               ffi::Result<ffi::AnyBuffer> of_query, ffi::Result<ffi::AnyBuffer> of_key,
                               ffi::Result<ffi::AnyBuffer> of_value, int64_t causal, int64_t boolean,
                               int64_t products) {
  const Sizes sizes = sizes_of(query, key, value);
  const Rule rule = rule_of(mask, causal, boolean);
  const int64_t block = sizes.block(), step = sizes.heads * sizes.width, values_step = sizes.heads * sizes.values;
  for (const ffi::AnyBuffer& result : {*of_query, *of_key, *of_value}) in_large_pages(result);
  const float factor = *floats(scale);
  spread(pool, sizes.batch * sizes.heads, pool.num_threads(), [&](int index) {
    OneThread alone;
    const int64_t batch = index / sizes.heads, head = index % sizes.heads;
    const Operands from = operands_of(sizes, query, key, value, batch, head);
    const Operands to = operands_of(sizes, *of_query, *of_key, *of_value, batch, head);
    auto *queries = const_cast<float*>(to.query), *keys = const_cast<float*>(to.key);
    auto* values = const_cast<float*>(to.value);
    const float* given = floats(gradient) + batch * sizes.queries * values_step + head * sizes.values;
    for (int64_t row = 0; row < sizes.keys; ++row) {
      std::fill_n(keys + row * step, sizes.width, 0.0f);
      std::fill_n(values + row * values_step, sizes.values, 0.0f);
    }
    Workspace space(2 * block * sizes.keys * sizeof(float));
    float* weights = reinterpret_cast<float*>(space.data());
    for (int64_t begin = 0; begin < sizes.queries; begin += block) {
      const int64_t rows = std::min(block, sizes.queries - begin), seen = sizes.seen(rule, begin + rows);
      float* scores = weights + rows * seen;  // their gradients
      const Matrix here{given + begin * values_step, values_step};
      weights_of(sizes, rule, from, mask_of(rule, batch, head), factor, begin, rows, seen, weights);
      multiply(rows, seen, sizes.values, here, {from.value, values_step, true}, scores, seen);
      multiply(seen, sizes.values, rows, {weights, seen, true}, here, values, values_step, 1, 1);
      pull_back(weights, rows, seen, scores);
      multiply(rows, sizes.width, seen, {scores, seen}, {from.key, step}, queries + begin * step, step, factor);
      multiply(seen, sizes.width, rows, {scores, seen, true}, {from.query + begin * step, step}, keys, step, factor, 1);
    }
  });
  return ffi::Error::Success();
}

}  // namespace
}  // namespace flambeau

#pragma GCC visibility push(default)

XLA_FFI_DEFINE_HANDLER_SYMBOL(flambeau_attention, flambeau::attention,
                              xla::ffi::Ffi::Bind()
                                  .Ctx<xla::ffi::ThreadPool>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Ret<xla::ffi::AnyBuffer>()
                                  .Attr<int64_t>("causal")
                                  .Attr<int64_t>("boolean")
                                  .Attr<int64_t>("products"));

XLA_FFI_DEFINE_HANDLER_SYMBOL(flambeau_attention_gradients, flambeau::attention_gradients,
                              xla::ffi::Ffi::Bind()
                                  .Ctx<xla::ffi::ThreadPool>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Ret<xla::ffi::AnyBuffer>()
                                  .Ret<xla::ffi::AnyBuffer>()
                                  .Ret<xla::ffi::AnyBuffer>()
                                  .Attr<int64_t>("causal")
                                  .Attr<int64_t>("boolean")
                                  .Attr<int64_t>("products"));

#pragma GCC visibility pop
