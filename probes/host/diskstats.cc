// Units: /proc/diskstats counts milliseconds, and sectors of 512 bytes whatever the disk's own are. Discards came with
// Linux 4.18, flushes with 5.5; a metric is there only when its column is.

#include "probes/host/files.h"
#include "probes/host/parse.h"
#include "probes/host/text.h"

namespace tocsin::host {
namespace {

constexpr double kMilliseconds = 1e-3;
constexpr double kSectorBytes = 512;

struct Column {
  Family family;
  double unit = 1;
};
constexpr Column kColumns[] = {
    {{"node_disk_reads_completed_total", "counter", "Reads that ended well."}},
    {{"node_disk_reads_merged_total", "counter", "Reads that were merged into a neighbour."}},
    {{"node_disk_read_bytes_total", "counter", "Bytes read."}, kSectorBytes},
    {{"node_disk_read_time_seconds_total", "counter", "Seconds that all reads took together."}, kMilliseconds},
    {{"node_disk_writes_completed_total", "counter", "Writes that ended well."}},
    {{"node_disk_writes_merged_total", "counter", "Writes that were merged into a neighbour."}},
    {{"node_disk_written_bytes_total", "counter", "Bytes written."}, kSectorBytes},
    {{"node_disk_write_time_seconds_total", "counter", "Seconds that all writes took together."}, kMilliseconds},
    {{"node_disk_io_now", "gauge", "Requests under way."}},
    {{"node_disk_io_time_seconds_total", "counter", "Seconds in which the disk had something to do."}, kMilliseconds},
    {{"node_disk_io_time_weighted_seconds_total", "counter",
      "Seconds that requests were under way, added up over requests."},
     kMilliseconds},
    {{"node_disk_discards_completed_total", "counter", "Discards that ended well."}},
    {{"node_disk_discards_merged_total", "counter", "Discards that were merged into a neighbour."}},
    {{"node_disk_discarded_sectors_total", "counter", "Sectors discarded."}},
    {{"node_disk_discard_time_seconds_total", "counter", "Seconds that all discards took together."}, kMilliseconds},
    {{"node_disk_flush_requests_total", "counter", "Flushes that ended well."}},
    {{"node_disk_flush_requests_time_seconds_total", "counter", "Seconds that all flushes took together."},
     kMilliseconds},
};
constexpr std::size_t kColumnsMin = 11;

constexpr Family kInfo{"node_disk_info", "gauge", "What the system knows of the disk; always 1."};
constexpr Family kFilesystemInfo{"node_disk_filesystem_info", "gauge", "The file system found on the disk; always 1."};
constexpr Family kMapperInfo{"node_disk_device_mapper_info", "gauge",
                             "The device mapper's names of the disk; always 1."};

using Properties = std::map<std::string, std::string>;

std::string_view first_of(const Properties& properties, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    const auto found = properties.find(name);
    if (found != properties.end() && !found->second.empty()) return found->second;
  }
  return {};
}

void add_info(const Disk& disk, const Properties& udev, const std::string& rotational, Samples& out) {
  out.add(kInfo,
          {{"device", disk.device},
           {"major", disk.major},
           {"minor", disk.minor},
           {"path", first_of(udev, {"ID_PATH"})},
           {"wwn", first_of(udev, {"ID_WWN"})},
           {"model", first_of(udev, {"ID_MODEL"})},
           {"serial", first_of(udev, {"SCSI_IDENT_SERIAL", "ID_SERIAL_SHORT", "ID_SERIAL"})},
           {"revision", first_of(udev, {"ID_REVISION"})},
           {"rotational", rotational}},
          1);
  if (const std::string_view type = first_of(udev, {"ID_FS_TYPE"}); !type.empty()) {
    out.add(kFilesystemInfo,
            {{"device", disk.device},
             {"type", type},
             {"usage", first_of(udev, {"ID_FS_USAGE"})},
             {"uuid", first_of(udev, {"ID_FS_UUID"})},
             {"version", first_of(udev, {"ID_FS_VERSION"})}},
            1);
  }
  if (const std::string_view name = first_of(udev, {"DM_NAME"}); !name.empty()) {
    out.add(kMapperInfo,
            {{"device", disk.device},
             {"name", name},
             {"uuid", first_of(udev, {"DM_UUID"})},
             {"vg_name", first_of(udev, {"DM_VG_NAME"})},
             {"lv_name", first_of(udev, {"DM_LV_NAME"})},
             {"lv_layer", first_of(udev, {"DM_LV_LAYER"})}},
            1);
  }
}

}  // namespace

Result<std::vector<Disk>> parse_diskstats(std::string_view text) {
  std::vector<Disk> out;
  for (std::string_view line; next_line(text, line);) {
    std::string_view rest = line;
    Disk disk;
    disk.major = next_word(rest);
    disk.minor = next_word(rest);
    disk.device = next_word(rest);
    if (disk.major.empty()) continue;
    for (auto word = next_word(rest); !word.empty() && disk.counters.size() < std::size(kColumns);
         word = next_word(rest)) {
      const auto value = to_number(word);
      if (!value) return fail("unknown line {}", quoted(line));
      disk.counters.push_back(*value);
    }
    if (disk.counters.size() < kColumnsMin) return fail("too few columns in {}", quoted(line));
    out.push_back(std::move(disk));
  }
  return out;
}

void add_disk(const Disk& disk, Samples& out) {
  for (std::size_t i = 0; i < disk.counters.size(); ++i) {
    out.add(kColumns[i].family, {{"device", disk.device}}, disk.counters[i] * kColumns[i].unit);
  }
}

std::map<std::string, std::string> parse_udev(std::string_view text) {
  Properties out;
  for (std::string_view line; next_line(text, line);) {
    const std::size_t equals = line.find('=');
    if (!line.starts_with("E:") || equals == std::string_view::npos) continue;
    out.emplace(line.substr(2, equals - 2), line.substr(equals + 1));
  }
  return out;
}

const Collector kDiskstats{"diskstats", true, [](const Config& config, Clock&) -> Collect {
                             return [path = config.proc("diskstats"), udev = config.udev, block = config.sys("block"),
                                     include = config.diskstats_device_include,
                                     exclude = config.diskstats_device_exclude](Samples& out) -> Result<void> {
                               const auto text = read_file(path);
                               if (!text) return tl::make_unexpected(text.error());
                               const auto disks = parse_diskstats(*text);
                               if (!disks) return fail_in(path, disks.error());
                               for (const Disk& disk : *disks) {
                                 if (!wanted(include, exclude, disk.device)) continue;
                                 add_disk(disk, out);
                                 const auto properties =
                                     read_file(fmt::format("{}/b{}:{}", udev, disk.major, disk.minor));
                                 add_info(disk, properties ? parse_udev(*properties) : Properties(),
                                          read_word(fmt::format("{}/{}/queue/rotational", block, disk.device)), out);
                               }
                               return {};
                             };
                           }};

}  // namespace tocsin::host
