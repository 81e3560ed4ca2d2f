#include <set>
#include <tuple>

#include "probes/host/files.h"
#include "probes/host/mounts.h"
#include "probes/host/parse.h"
#include "probes/host/text.h"

namespace tocsin::host {
namespace {

namespace asio = boost::asio;

constexpr Family kSize{"node_filesystem_size_bytes", "gauge", "Bytes the file system can hold."};
constexpr Family kFree{"node_filesystem_free_bytes", "gauge", "Bytes that are free."};
constexpr Family kAvailable{"node_filesystem_avail_bytes", "gauge", "Bytes that are free for users other than root."};
constexpr Family kFiles{"node_filesystem_files", "gauge", "Files the file system can hold."};
constexpr Family kFilesFree{"node_filesystem_files_free", "gauge", "Files that can still be made."};
constexpr Family kReadOnly{"node_filesystem_readonly", "gauge", "1 when the file system is mounted read-only."};
constexpr Family kError{"node_filesystem_device_error", "gauge",
                        "1 when the file system could not be asked how full it is."};

/// `\040` and its like, as the kernel writes blanks, tabs, newlines and backslashes in /proc/mounts.
std::string unescaped(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto code = text[i] == '\\' ? to_count(text.substr(i + 1, 3), 8) : std::nullopt;
    if (code && i + 3 < text.size() && *code < 256) {
      out += static_cast<char>(*code);
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

bool has_option(std::string_view options, std::string_view wanted_option) {
  while (!options.empty()) {
    const std::size_t comma = options.find(',');
    if (options.substr(0, comma) == wanted_option) return true;
    options.remove_prefix(comma == std::string_view::npos ? options.size() : comma + 1);
  }
  return false;
}

void add_mount(const Mount& mount, const Usage& usage, Samples& out) {
  const auto add = [&](const Family& family, double value) {
    out.add(
        family,
        {{"device", mount.device}, {"mountpoint", mount.point}, {"fstype", mount.type}, {"device_error", usage.error}},
        value);
  };
  add(kError, usage.error.empty() ? 0 : 1);
  add(kReadOnly, mount.read_only || usage.read_only ? 1 : 0);
  if (!usage.error.empty()) return;
  add(kSize, usage.size);
  add(kFree, usage.free);
  add(kAvailable, usage.available);
  add(kFiles, usage.files);
  add(kFilesFree, usage.files_free);
}

class Filesystems {
 public:
  Filesystems(const Config& config, Clock& clock) : config_(config), reader_(clock) {}

  asio::awaitable<Result<void>> collect(Samples& out, Deadline deadline) {
    // Those of the first process, for the agent itself may run in a mount namespace of its own.
    auto text = read_file(config_.proc("1/mounts"), kMountsBytesMax);
    if (!text) text = read_file(config_.proc("mounts"), kMountsBytesMax);
    if (!text) co_return tl::make_unexpected(text.error());

    std::vector<Mount> mounts = parse_mounts(*text);
    std::erase_if(mounts, [&](Mount& mount) {
      mount.point = without_rootfs(mount.point);
      return !wanted({}, config_.filesystem_mount_points_exclude, mount.point) ||
             !wanted({}, config_.filesystem_fs_types_exclude, mount.type);
    });
    std::vector<std::string> paths;
    for (const Mount& mount : mounts) paths.push_back(below_rootfs(mount.point));
    auto reading = reader_.read(std::move(paths), config_.filesystem_mount_timeout, deadline);
    const std::vector<Usage> usages = co_await std::move(reading);
    for (std::size_t i = 0; i < mounts.size(); ++i) add_mount(mounts[i], usages[i], out);
    co_return Result<void>();
  }

 private:
  static constexpr std::size_t kMountsBytesMax = 16U << 20;

  std::string below_rootfs(const std::string& point) const {
    return config_.rootfs == "/" ? point : config_.rootfs + (point == "/" ? "" : point);
  }
  std::string without_rootfs(const std::string& point) const {
    if (config_.rootfs == "/" || !point.starts_with(config_.rootfs)) return point;
    const std::string rest = point.substr(config_.rootfs.size());
    return rest.empty() ? "/" : rest.starts_with('/') ? rest : point;
  }

  Config config_;
  MountReader reader_;
};

}  // namespace

std::vector<Mount> parse_mounts(std::string_view text) {
  std::vector<Mount> out;
  std::set<std::tuple<std::string, std::string, std::string>> seen;
  for (std::string_view line; next_line(text, line);) {
    Mount mount;
    mount.device = unescaped(next_word(line));
    mount.point = unescaped(next_word(line));
    mount.type = unescaped(next_word(line));
    mount.read_only = has_option(next_word(line), "ro");
    if (mount.type.empty() || !seen.emplace(mount.device, mount.point, mount.type).second) continue;
    out.push_back(std::move(mount));
  }
  return out;
}

const Collector kFilesystem{
    .name = "filesystem", .make_awaited = [](const Config& config, Clock& clock) -> AwaitedCollect {
      auto filesystems = std::make_shared<Filesystems>(config, clock);
      return [filesystems](Samples& out, Deadline deadline) { return filesystems->collect(out, deadline); };
    }};

}  // namespace tocsin::host
