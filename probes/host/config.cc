#include "probes/host/collector.h"

namespace tocsin::host {
namespace {
// Those of node_exporter 1.12.
Pattern pattern(std::string_view text) {
  return Pattern::make(text).value();
}
constexpr std::string_view kMountPoints =
    R"(^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+|var/lib/containers/storage/.+)($|/))";
constexpr std::string_view kFsTypes =
    "^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|erofs|fusectl|hugetlbfs|iso9660|mqueue|nsfs|"
    "overlay|proc|"
    "procfs|pstore|rpc_pipefs|securityfs|selinuxfs|squashfs|sysfs|tracefs)$";
constexpr std::string_view kDisks = R"(^(z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$)";
constexpr std::string_view kVmstatFields = "^(oom_kill|pgpg|pswp|pg.*fault).*";
constexpr std::string_view kUnits = R"(^.+\.(automount|device|mount|scope|slice)$)";
}  // namespace

Config::Config()
    : filesystem_mount_points_exclude(pattern(kMountPoints)),
      filesystem_fs_types_exclude(pattern(kFsTypes)),
      diskstats_device_exclude(pattern(kDisks)),
      vmstat_fields(pattern(kVmstatFields)),
      systemd_unit_exclude(pattern(kUnits)) {}

void Config::fields(Fields& f) {
  f("procfs", procfs, "Where the proc file system is mounted.");
  f("sysfs", sysfs, "Where the sys file system is mounted.");
  f("rootfs", rootfs,
    "Where the host's root is mounted, for an agent in a container; mount points are named without it.");
  f("udev", udev, "The folder with udev's data, for node_disk_info.");
  f("collectors", collectors,
    "Switches collectors on and off by name: `{ systemd = true, mdadm = false }`. All but systemd are on.");
  f("filesystem_mount_points_exclude", filesystem_mount_points_exclude, "Mount points to leave out.");
  f("filesystem_fs_types_exclude", filesystem_fs_types_exclude, "File system types to leave out.");
  f("filesystem_mount_timeout", filesystem_mount_timeout,
    "How long a mount point may take to say how full it is. One that takes longer gets node_filesystem_device_error "
    "and is not "
    "asked again until it has answered.")
      .range(Duration(10), std::chrono::minutes(1));
  f("diskstats_device_exclude", diskstats_device_exclude, "Disks to leave out.");
  f("diskstats_device_include", diskstats_device_include, "Disks to take; all when not given.");
  f("netdev_device_exclude", netdev_device_exclude, "Network devices to leave out.");
  f("netdev_device_include", netdev_device_include, "Network devices to take; all when not given.");
  f("vmstat_fields", vmstat_fields, "Fields of /proc/vmstat to take.");
  f("systemd_unit_include", systemd_unit_include, "Units to take; all when not given.");
  f("systemd_unit_exclude", systemd_unit_exclude, "Units to leave out.");
  f("systemd_restarts", systemd_restarts,
    "Also asks how often each service was restarted (node_systemd_service_restart_total).");
  f("textfile_directories", textfile_directories, "Folders, also with * and ?, whose *.prom files are read.");
}

std::string Config::proc(std::string_view path) const {
  return fmt::format("{}/{}", procfs, path);
}
std::string Config::sys(std::string_view path) const {
  return fmt::format("{}/{}", sysfs, path);
}

}  // namespace tocsin::host
