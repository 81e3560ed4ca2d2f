#pragma once

#include <boost/asio/awaitable.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agent/core/clock.h"
#include "agent/core/time.h"

namespace tocsin::host {

/// How full a mounted file system is.
struct Usage {
  double size = 0;
  double free = 0;
  double available = 0;
  double files = 0;
  double files_free = 0;
  bool read_only = false;
  /// Why nothing is known: "permission denied", "mountpoint timeout"; "" when it is.
  std::string error;
};

/// statvfs(3).
Usage read_usage(const std::string& path);

/// Asks mount points how full they are without ever waiting on the caller's thread for one that hangs (a dead NFS or
/// FUSE server): they are asked from a thread of their own, and one that does not answer in time is not asked again
/// until it did.
class MountReader {
 public:
  using Read = std::function<Usage(const std::string& path)>;
  explicit MountReader(Clock& clock, Read read = read_usage);

  /// One Usage per path, in order. Suspends; returns by `deadline`; waits at most `patience` for each that hangs.
  boost::asio::awaitable<std::vector<Usage>> read(std::vector<std::string> paths, Duration patience, Deadline deadline);

  /// How many are being waited for.
  std::size_t hanging() const;

 private:
  struct Hanging;
  struct Round;
  Clock& clock_;
  Read read_;
  std::shared_ptr<Hanging> hanging_;
};

}  // namespace tocsin::host
