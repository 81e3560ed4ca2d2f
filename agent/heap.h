#pragma once

namespace tocsin {

/// Gives memory that was freed back to the system when there is much of it: after a burst (a large request, a reload, a
/// dashboard's query over everything) malloc keeps what it got. Cheap when there is little to give. Call every few
/// seconds, on any one thread.
class HeapTrimmer {
 public:
  void maintain();

 private:
  unsigned long long left_free_ = 0;  // what the last trim could not give back
};

}  // namespace tocsin
