#include "probes/host/mounts.h"

#include <sys/statvfs.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <set>

#include "probes/host/apart.h"

namespace tocsin::host {
namespace {

namespace asio = boost::asio;

/// Each holds a thread until its server comes back.
constexpr std::size_t kHangingMax = 16;
constexpr const char* kTimeout = "mountpoint timeout";

Usage failed(std::string why) {
  Usage usage;
  usage.error = std::move(why);
  return usage;
}

}  // namespace

Usage read_usage(const std::string& path) {
  struct statvfs found {};
  if (::statvfs(path.c_str(), &found) != 0) {
    std::string why = std::strerror(errno);
    why[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(why[0])));
    return failed(std::move(why));
  }
  // Blocks are counted in f_frsize here, which is what statfs(2) calls f_bsize.
  const auto bytes = [&](auto blocks) { return static_cast<double>(blocks) * static_cast<double>(found.f_frsize); };
  return {bytes(found.f_blocks),
          bytes(found.f_bfree),
          bytes(found.f_bavail),
          static_cast<double>(found.f_files),
          static_cast<double>(found.f_ffree),
          (found.f_flag & ST_RDONLY) != 0,
          {}};
}

struct MountReader::Hanging {
  std::mutex mutex;
  std::set<std::string> paths;
};

/// What the reading thread and the waiting coroutine share. `usages` grows as paths are answered.
struct MountReader::Round {
  std::mutex mutex;
  std::vector<std::string> paths;
  std::vector<Usage> usages;
  bool abandoned = false;

  void read_all(const Read& read, Hanging& hanging) {
    for (const std::string& path : paths) {
      Usage usage = read(path);
      const std::lock_guard lock(mutex);
      if (abandoned) {
        const std::lock_guard hanging_lock(hanging.mutex);
        hanging.paths.erase(path);
        return;
      }
      usages.push_back(std::move(usage));
    }
  }
};

MountReader::MountReader(Clock& clock, Read read)
    : clock_(clock), read_(std::move(read)), hanging_(std::make_shared<Hanging>()) {}

std::size_t MountReader::hanging() const {
  const std::lock_guard lock(hanging_->mutex);
  return hanging_->paths.size();
}

asio::awaitable<std::vector<Usage>> MountReader::read(std::vector<std::string> paths, Duration patience,
                                                      Deadline deadline) {
  std::vector<Usage> out(paths.size(), failed(kTimeout));
  std::vector<std::size_t> left;  // indices of those to ask
  {
    const std::lock_guard lock(hanging_->mutex);
    for (std::size_t i = 0; i < paths.size(); ++i) {
      if (!hanging_->paths.contains(paths[i])) left.push_back(i);
    }
  }
  // One round as a rule; one more after each path that hangs, with those behind it.
  while (!left.empty() && hanging() < kHangingMax && clock_.steady() < deadline) {
    auto round = std::make_shared<Round>();
    for (const std::size_t i : left) round->paths.push_back(paths[i]);
    std::function<void()> work = [round, read = read_, hanging = hanging_] { round->read_all(read, *hanging); };
    auto waiting = run_apart(std::move(work), std::min(deadline, clock_.steady() + patience));
    co_await std::move(waiting);

    const std::lock_guard lock(round->mutex);
    const std::size_t answered = round->usages.size();
    for (std::size_t i = 0; i < answered; ++i) out[left[i]] = std::move(round->usages[i]);
    if (answered == left.size()) break;
    round->abandoned = true;
    const std::lock_guard hanging_lock(hanging_->mutex);
    hanging_->paths.insert(paths[left[answered]]);
    left.erase(left.begin(), left.begin() + static_cast<std::ptrdiff_t>(answered) + 1);
  }
  co_return out;
}

}  // namespace tocsin::host
