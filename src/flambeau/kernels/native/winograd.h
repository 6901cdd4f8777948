// Convolutions by windows of 3 x 3 with 16 products where the sum as it is written takes 36.
#pragma once

#include "geometry.h"

namespace flambeau {

// Whether these functions take a convolution, and are worth it.
bool winograd_serves(const Geometry& shape);

// Like oneDNN's: (x, weight, bias if there is one) -> y; (y, weight) -> x; (x, y) -> weight, bias unless it is null.
void winograd(Kind kind, const Geometry& shape, float* x, float* weight, float* y, float* bias, int threads,
              const Share& share);

}  // namespace flambeau
