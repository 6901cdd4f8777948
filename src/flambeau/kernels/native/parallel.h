// Work shared with XLA's own threads: no second pool of threads competes for the cores.
#pragma once

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#if defined(__linux__)
#include <sched.h>
#endif

#include "xla/ffi/api/ffi.h"

extern "C" {
int omp_get_max_threads(void);
void omp_set_num_threads(int);
}

namespace flambeau {

// While it lives, oneDNN (whose threads are OpenMP's) works on the calling thread alone.
class OneThread {
 public:
  OneThread() : before_(omp_get_max_threads()) {
    if (before_ != 1) omp_set_num_threads(1);
  }
  ~OneThread() {
    if (before_ != 1) omp_set_num_threads(before_);
  }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int before_;
};

// The processor that the calling thread is on; -1 where that cannot be told.
inline int processor() {
#if defined(__linux__)
  return sched_getcpu();
#else
  return -1;
#endif
}

// Moves the calling thread to another processor if it is on this one. A scheduler often wakes a helper where the thread
// that asked for help is running; the two would take turns until it notices, which takes longer than most pieces of work.
inline void leave(int busy) {
#if defined(__linux__)
  if (busy < 0 || sched_getcpu() != busy) return;
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
  cpu_set_t others = allowed;
  CPU_CLR(busy, &others);
  if (CPU_COUNT(&others) > 0 && sched_setaffinity(0, sizeof others, &others) == 0)
    sched_setaffinity(0, sizeof allowed, &allowed);
#endif
}

// Calls work(0) ... work(count - 1), on the calling thread and on whichever threads of the pool are free.
//
// A piece of work belongs to the thread that claims it. The calling thread claims like the others and then waits only
// for pieces that have been claimed, so it finishes even if no thread of the pool is ever free (as when the caller is
// the pool's only one). `work` must not throw.
template <typename Work>
void spread(xla::ffi::ThreadPool& pool, int count, int threads, const Work& work) {
  struct Shared {
    explicit Shared(int count) : count(count) {}
    const int count;
    std::atomic<int> next{0};
    std::atomic<int> done{0};
    std::mutex mutex;
    std::condition_variable finished;
  };
  auto shared = std::make_shared<Shared>(count);
  auto claim = [shared, &work] {  // a late helper finds nothing to claim, and does not touch `work`
    for (int index; (index = shared->next.fetch_add(1)) < shared->count;) {
      work(index);
      if (shared->done.fetch_add(1) + 1 == shared->count) {
        std::lock_guard<std::mutex> lock(shared->mutex);
        shared->finished.notify_one();
      }
    }
  };
  const int helpers = std::min(count, threads) - 1;
  const int busy = processor();
  for (int index = 0; index < helpers; ++index) {
    pool.Schedule([busy, claim] {
      leave(busy);
      claim();
    });
  }
  claim();
  for (int patience = 2000; patience > 0 && shared->done.load() < count; --patience) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
  }
  if (shared->done.load() < count) {
    std::unique_lock<std::mutex> lock(shared->mutex);
    shared->finished.wait(lock, [&] { return shared->done.load() == count; });
  }
}

// The same for work by oneDNN, which may throw; returns what went wrong, or nothing.
template <typename Work>
std::string together(xla::ffi::ThreadPool& pool, int count, int threads, const Work& work) {
  std::mutex mutex;
  std::string error;
  spread(pool, count, threads, [&](int index) {
    try {
      OneThread alone;
      work(index);
    } catch (const std::exception& problem) {
      std::lock_guard<std::mutex> lock(mutex);
      error = problem.what();
    }
  });
  return error;
}

// What a function that XLA calls returns: success, or why oneDNN failed.
inline xla::ffi::Error outcome(const std::string& error) {
  if (error.empty()) return xla::ffi::Error::Success();
  return xla::ffi::Error::Internal("oneDNN: " + error + " (FLAMBEAU_KERNELS=0 does without it)");
}

}  // namespace flambeau
