// Convolutions of few channels, whose planes are read as one long row each.
#pragma once

#include "geometry.h"

namespace flambeau {

// Whether these functions take a convolution, and are worth it.
bool few_channels_serve(Kind kind, const Geometry& shape);

// Like oneDNN's: (x, weight, bias if there is one) -> y; (y, weight) -> x; (x, y) -> weight, bias unless it is null.
void few_channels(Kind kind, const Geometry& shape, float* x, float* weight, float* y, float* bias, int threads,
                  const Share& share);

}  // namespace flambeau
