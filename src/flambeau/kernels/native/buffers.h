// XLA's buffers as the numbers that are in them.
#pragma once

#include "xla/ffi/api/ffi.h"

namespace flambeau {

inline float* floats(xla::ffi::AnyBuffer buffer) { return static_cast<float*>(buffer.untyped_data()); }
inline float* floats(xla::ffi::Result<xla::ffi::AnyBuffer> buffer) { return floats(*buffer); }

}  // namespace flambeau
