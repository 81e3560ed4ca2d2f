#pragma once

#include <boost/asio/awaitable.hpp>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/core/clock.h"
#include "agent/core/config/fields.h"
#include "agent/core/result.h"
#include "probes/host/samples.h"

/// The parts of the host probe. A collector reads something of the machine and says it under node_exporter's names.
/// Each is one .cc file, one constant, and one row in the list in probes/host.cc. Reading and parsing are apart:
/// parsing is declared in probes/host/parse.h and tested on its own.
namespace tocsin::host {

/// The fields of `type = "host"`; names and defaults follow node_exporter's flags.
struct Config {
  std::string procfs = "/proc";
  std::string sysfs = "/sys";
  std::string rootfs = "/";
  std::string udev = "/run/udev/data";
  std::map<std::string, bool> collectors;

  Pattern filesystem_mount_points_exclude;
  Pattern filesystem_fs_types_exclude;
  Duration filesystem_mount_timeout = std::chrono::seconds(2);
  Pattern diskstats_device_exclude;
  Pattern diskstats_device_include;
  Pattern netdev_device_exclude;
  Pattern netdev_device_include;
  Pattern vmstat_fields;
  Pattern systemd_unit_include;
  Pattern systemd_unit_exclude;
  bool systemd_restarts = true;
  std::vector<std::string> textfile_directories;

  Config();
  void fields(Fields& f);

  std::string proc(std::string_view path) const;
  std::string sys(std::string_view path) const;
};

/// True when a name is to be looked at: it matches `include` (when there is one) and not `exclude`.
inline bool wanted(const Pattern& include, const Pattern& exclude, std::string_view name) {
  return (include.empty() || include.found_in(name)) && (exclude.empty() || !exclude.found_in(name));
}

/// The error of a collector that has nothing to say on this machine (no bond, no RAID): it counts as without success,
/// as node_exporter counts it, but is worth no log line.
inline tl::unexpected<Error> no_data() {
  return tl::make_unexpected(Error{});
}
inline bool is_no_data(const Error& error) {
  return error.message.empty();
}

/// One reading. Does not suspend and takes well under a millisecond: what may hang is an AwaitedCollect.
using Collect = std::function<Result<void>(Samples&)>;
/// The same for what may hang (a dead NFS server, a stuck bus). Suspends, returns by `deadline`.
using AwaitedCollect = std::function<boost::asio::awaitable<Result<void>>(Samples&, Deadline)>;

struct Collector {
  std::string_view name;
  bool on_by_default = true;
  /// One of the two. The result keeps what it needs of `config`, which need not outlive the call.
  Collect (*make)(const Config& config, Clock& clock) = nullptr;
  AwaitedCollect (*make_awaited)(const Config& config, Clock& clock) = nullptr;
};

extern const Collector kBonding;
extern const Collector kConntrack;
extern const Collector kCpu;
extern const Collector kDiskstats;
extern const Collector kFilefd;
extern const Collector kFilesystem;
extern const Collector kLoadavg;
extern const Collector kMdadm;
extern const Collector kMeminfo;
extern const Collector kNetdev;
extern const Collector kStat;
extern const Collector kSystemd;
extern const Collector kTextfile;
extern const Collector kTime;
extern const Collector kTimex;
extern const Collector kUname;
extern const Collector kVmstat;

}  // namespace tocsin::host
