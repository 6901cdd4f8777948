// What oneDNN's primitives run on: the processor, and each thread's own stream of work.
#pragma once

#include "oneapi/dnnl/dnnl.hpp"

namespace flambeau {

inline const dnnl::engine& engine() {
  static const dnnl::engine* found = new dnnl::engine(dnnl::engine::kind::cpu, 0);
  return *found;
}

inline dnnl::stream& stream() {
  thread_local dnnl::stream found(engine());
  return found;
}

}  // namespace flambeau
