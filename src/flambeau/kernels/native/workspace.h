// Memory for the time of a call, kept for the next one: fresh pages from the system cost more than small kernels.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <mutex>
#include <new>
#include <vector>

#include <sys/mman.h>

namespace flambeau {

class Workspace {
 public:
  explicit Workspace(size_t size) : block_(taken(size)) {}
  ~Workspace() { give_back(block_); }
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;

  char* data() const { return block_.data; }

 private:
  struct Block {
    char* data;
    size_t size;
  };
  struct Shelf {
    std::mutex mutex;
    std::vector<Block> blocks;
    size_t kept = 0;
  };
  static constexpr size_t kAlignment = 64;
  static constexpr size_t kPage = size_t{2} << 20, kLarge = 2 * kPage;  // large pages, and what is worth them
  static constexpr size_t kKept = size_t{256} << 20;  // bytes kept at most, in all

  static Shelf& shelf() {
    static Shelf* found = new Shelf;  // never destroyed: threads may still work while the process ends
    return *found;
  }

  // The smallest block kept that is large enough, but no more than four times too large; else a new one.
  static Block taken(size_t size) {
    size = (size + 4095) / 4096 * 4096;
    if (size == 0) return {nullptr, 0};
    {
      Shelf& kept = shelf();
      std::lock_guard<std::mutex> lock(kept.mutex);
      size_t best = kept.blocks.size();
      for (size_t index = 0; index < kept.blocks.size(); ++index) {
        const size_t found = kept.blocks[index].size;
        if (found < size || found > 4 * size) continue;
        if (best == kept.blocks.size() || found < kept.blocks[best].size) best = index;
      }
      if (best < kept.blocks.size()) {
        const Block block = kept.blocks[best];
        kept.blocks[best] = kept.blocks.back();
        kept.blocks.pop_back();
        kept.kept -= block.size;
        return block;
      }
    }
    const bool large = size >= kLarge;
    if (large) size = (size + kPage - 1) / kPage * kPage;
    void* data = std::aligned_alloc(large ? kPage : kAlignment, size);
    if (data == nullptr) throw std::bad_alloc();
#if defined(MADV_HUGEPAGE)
    if (large) madvise(data, size, MADV_HUGEPAGE);  // advice only: it does not matter if it fails
#endif
    return {static_cast<char*>(data), size};
  }

  static void give_back(Block block) {
    if (block.data == nullptr) return;
    Shelf& kept = shelf();
    {
      std::lock_guard<std::mutex> lock(kept.mutex);
      if (kept.kept + block.size <= kKept) {
        kept.blocks.push_back(block);
        kept.kept += block.size;
        return;
      }
    }
    std::free(block.data);
  }

  Block block_;
};

}  // namespace flambeau
