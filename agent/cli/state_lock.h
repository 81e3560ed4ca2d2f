#pragma once

#include <string>
#include <utility>

#include "agent/core/result.h"

namespace tocsin::cli {

/// Held by whoever writes to a state directory: two agents on one would send everything twice.
class StateLock {
 public:
  /// Makes the directory when it is not there. Error: it cannot be had, or someone else holds the lock.
  static Result<StateLock> take(const std::string& directory);
  StateLock(StateLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  StateLock& operator=(StateLock&&) = delete;
  ~StateLock();

 private:
  explicit StateLock(int fd) : fd_(fd) {}
  int fd_;
};

}  // namespace tocsin::cli
