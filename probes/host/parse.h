#pragma once

#include <array>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "probes/host/collector.h"

/// What stands in the files of /proc and /sys, as samples: pure functions. Errors name the text that cannot be
/// understood.
namespace tocsin::host {

/// /proc/loadavg
Result<void> parse_loadavg(std::string_view text, Samples& out);
/// /proc/meminfo
Result<void> parse_meminfo(std::string_view text, Samples& out);
/// /proc/vmstat, the fields that `wanted_fields` finds.
Result<void> parse_vmstat(std::string_view text, const Pattern& wanted_fields, Samples& out);
/// /proc/sys/fs/file-nr
Result<void> parse_filefd(std::string_view text, Samples& out);
/// /proc/net/dev
Result<void> parse_netdev(std::string_view text, const Pattern& include, const Pattern& exclude, Samples& out);
/// /proc/net/stat/nf_conntrack: one line of hexadecimal counters for each processor.
Result<void> parse_conntrack_stat(std::string_view text, Samples& out);
/// /proc/mdstat
Result<void> parse_mdstat(std::string_view text, Samples& out);
/// /proc/stat, without its processors.
Result<void> parse_stat(std::string_view text, Samples& out);

/// Seconds of one processor: user nice system idle iowait irq softirq steal guest guest_nice.
struct CpuTimes {
  std::string cpu;
  std::array<double, 10> seconds{};
};
/// The processors of /proc/stat.
Result<std::vector<CpuTimes>> parse_cpu(std::string_view text);
/// Keeps counters from running backwards, which idle and iowait do by a little, unless idle falls by 3 s or more: then
/// the processor was unplugged and starts anew.
void forward_only(CpuTimes& kept, const CpuTimes& read);

/// A line of /proc/diskstats.
struct Disk {
  std::string major;
  std::string minor;
  std::string device;
  std::vector<double> counters;  // as they stand there, 11, 15 or 17
};
Result<std::vector<Disk>> parse_diskstats(std::string_view text);
void add_disk(const Disk& disk, Samples& out);
/// The properties (lines `E:NAME=value`) of a device in udev's data.
std::map<std::string, std::string> parse_udev(std::string_view text);

/// A line of /proc/mounts.
struct Mount {
  std::string device;
  std::string point;
  std::string type;
  bool read_only = false;
};
/// Octal escapes undone, each (device, point, type) once. Lines that are too short are skipped.
std::vector<Mount> parse_mounts(std::string_view text);

}  // namespace tocsin::host
