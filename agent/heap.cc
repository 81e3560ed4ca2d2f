#include "agent/heap.h"

#include <malloc.h>

namespace tocsin {

namespace {
constexpr unsigned long long kWorthIt = 8ULL << 20;
}

void HeapTrimmer::maintain() {
  if (mallinfo2().fordblks < left_free_ + kWorthIt) return;
  malloc_trim(0);
  left_free_ = mallinfo2().fordblks;
}

}  // namespace tocsin
