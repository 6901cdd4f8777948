// Matrix products of float32 on the calling thread, by oneDNN.
#pragma once

#include <cstdint>

#include "oneapi/dnnl/dnnl.h"

namespace flambeau {

// A matrix, or its transpose, whose rows lie `stride` numbers apart.
struct Matrix {
  const float* data;
  int64_t stride;
  bool transposed = false;
};

// result (rows, columns) = factor * x @ y, plus `kept` times what is there; the inner size is `depth`.
inline void multiply(int64_t rows, int64_t columns, int64_t depth, Matrix x, Matrix y, float* result, int64_t stride,
                     float factor = 1, float kept = 0) {
  dnnl_sgemm(x.transposed ? 'T' : 'N', y.transposed ? 'T' : 'N', rows, columns, depth, factor, x.data, x.stride,
             y.data, y.stride, kept, result, stride);
}

}  // namespace flambeau
