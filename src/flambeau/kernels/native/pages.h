// Large pages for the memory of results.
//
// XLA takes fresh memory for each run of a program and gives it back at the end. The system hands out such memory page
// by page, as it is first written: a fourth of a transformer's training step was spent in that.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include <sys/mman.h>

#include "xla/ffi/api/ffi.h"

namespace flambeau {

// Asks for large pages where a result lies, and 16 MB on both sides: XLA takes all temporary memory of a run as one
// block, of which kernels see only their own results. Holes between mappings are left out by the system.
inline void in_large_pages(xla::ffi::AnyBuffer result) {
#if defined(MADV_HUGEPAGE)
  constexpr size_t kWorthACall = size_t{128} << 10;
  constexpr uintptr_t kPage = uintptr_t{2} << 20, kAround = 8;
  const size_t size = result.size_bytes();
  if (size < kWorthACall) return;
  const uintptr_t start = reinterpret_cast<uintptr_t>(result.untyped_data());
  const uintptr_t begin = (start / kPage - kAround) * kPage, end = ((start + size) / kPage + kAround) * kPage;
  madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);  // advice only: it does not matter if it fails
#endif
}

// Where the results of several possible ones lie that are wanted (a bit each), in order; nullptr for the others.
template <typename Number, int kCount>
std::array<Number*, kCount> wanted_results(xla::ffi::RemainingRets& results, int64_t wanted) {
  std::array<Number*, kCount> found{};
  for (int64_t kind = 0, place = 0; kind < kCount; ++kind) {
    if (!(wanted >> kind & 1)) continue;
    const xla::ffi::AnyBuffer result = **results.get<xla::ffi::AnyBuffer>(place++);
    in_large_pages(result);
    found[kind] = reinterpret_cast<Number*>(result.untyped_data());
  }
  return found;
}

}  // namespace flambeau
