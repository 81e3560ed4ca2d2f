// flock(2) on a file: the kernel lets it go with the process, however that ends.

#include "agent/cli/state_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

namespace tocsin::cli {

Result<StateLock> StateLock::take(const std::string& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) return fail("cannot make the state directory {}: {}", directory, error.message());
  const std::string path = directory + "/lock";
  StateLock lock(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (lock.fd_ < 0) return fail("cannot open {}: {}", path, std::strerror(errno));
  if (flock(lock.fd_, LOCK_EX | LOCK_NB) != 0) return fail("another agent runs on {}", directory);
  return lock;
}

StateLock::~StateLock() {
  if (fd_ >= 0) close(fd_);
}

}  // namespace tocsin::cli
