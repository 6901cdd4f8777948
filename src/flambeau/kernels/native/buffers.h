// XLA's buffers as the numbers that are in them.
#pragma once

#include "halves.h"
#include "xla/ffi/api/ffi.h"

namespace flambeau {

// The numbers of a buffer, which are of this type.
template <typename Number>
Number* numbers(xla::ffi::AnyBuffer buffer) {
  return static_cast<Number*>(buffer.untyped_data());
}
template <typename Number>
Number* numbers(xla::ffi::Result<xla::ffi::AnyBuffer> buffer) {
  return numbers<Number>(*buffer);
}

inline float* floats(xla::ffi::AnyBuffer buffer) { return numbers<float>(buffer); }
inline float* floats(xla::ffi::Result<xla::ffi::AnyBuffer> buffer) { return numbers<float>(*buffer); }

// What `work` returns for a zero of the buffer's type.
template <typename Work>
auto by_type(xla::ffi::AnyBuffer buffer, const Work& work) {
  return buffer.element_type() == xla::ffi::BF16 ? work(Bfloat16{}) : work(float{});
}

}  // namespace flambeau
