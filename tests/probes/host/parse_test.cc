#include "probes/host/parse.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace tocsin::host {
namespace {

/// One line per sample, or the error.
std::string said(const Result<void>& parsed, Samples& out) {
  if (!parsed) return parsed.error().message;
  std::string lines;
  for (const ProbeSample& s : out.take()) lines += fmt::format("{} {}\n", s.labels.metric_str(), s.value);
  return lines;
}

std::string parsed(Result<void> (*parse)(std::string_view, Samples&), std::string_view text) {
  FamilyBook book;
  Samples out(book);
  return said(parse(text, out), out);
}

Pattern pattern(std::string_view text) {
  return Pattern::make(text).value();
}

TEST(HostLoadavg, IsThreeAverages) {
  EXPECT_EQ(parsed(parse_loadavg, "0.21 0.37 0.39 1/719 19737\n"),
            "node_load1 0.21\nnode_load5 0.37\nnode_load15 0.39\n");
  EXPECT_EQ(parsed(parse_loadavg, "0.21 x\n"), "\"x\" is not a load");
  EXPECT_EQ(parsed(parse_loadavg, ""), "\"\" is not a load");
}

TEST(HostMeminfo, MakesBytesOfKilobytesAndKeepsCounts) {
  EXPECT_EQ(
      parsed(parse_meminfo,
             "MemTotal:       16042172 kB\nActive(anon):      12 kB\nHugePages_Total:       3\nDirectMap4k: 0 kB\n"),
      "node_memory_MemTotal_bytes 16427184128\nnode_memory_Active_anon_bytes 12288\nnode_memory_HugePages_Total 3\n"
      "node_memory_DirectMap4k_bytes 0\n");
  EXPECT_EQ(parsed(parse_meminfo, "MemTotal: much kB\n"), "unknown line \"MemTotal: much kB\"");
  EXPECT_EQ(parsed(parse_meminfo, "MemTotal 1 kB\n"), "unknown line \"MemTotal 1 kB\"");
}

TEST(HostVmstat, TakesTheFieldsOfNodeExporter) {
  FamilyBook book;
  Samples out(book);
  const auto result =
      parse_vmstat("nr_free_pages 1\npgpgin 7\npswpout 2\npgmajfault 3\noom_kill 4\nthp_fault_alloc 9\n",
                   Config().vmstat_fields, out);
  EXPECT_EQ(said(result, out),
            "node_vmstat_pgpgin 7\nnode_vmstat_pswpout 2\nnode_vmstat_pgmajfault 3\nnode_vmstat_oom_kill 4\n");
  EXPECT_EQ((*book.all())[0].type, "untyped");
}

TEST(HostFilefd, IsAllocatedAndMaximum) {
  EXPECT_EQ(parsed(parse_filefd, "1024\t0\t1631329\n"), "node_filefd_allocated 1024\nnode_filefd_maximum 1631329\n");
  EXPECT_EQ(parsed(parse_filefd, "1024\n"), "unknown text \"1024\"");
}

constexpr std::string_view kNetDev =
    "Inter-|   Receive                                                |  Transmit\n"
    " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier "
    "compressed\n"
    "    lo:   63217      66    0    0    0     0          0         0    63217      66    0    0    0     0       0   "
    "       0\n"
    "  eth0:12345678901 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n";

TEST(HostNetdev, HasSixteenCountersForEachDevice) {
  FamilyBook book;
  Samples out(book);
  const auto result = parse_netdev(kNetDev, {}, pattern("^lo$"), out);
  EXPECT_EQ(said(result, out),
            "node_network_receive_bytes_total{device=\"eth0\"} 12345678901\n"
            "node_network_receive_packets_total{device=\"eth0\"} 2\n"
            "node_network_receive_errs_total{device=\"eth0\"} 3\n"
            "node_network_receive_drop_total{device=\"eth0\"} 4\n"
            "node_network_receive_fifo_total{device=\"eth0\"} 5\n"
            "node_network_receive_frame_total{device=\"eth0\"} 6\n"
            "node_network_receive_compressed_total{device=\"eth0\"} 7\n"
            "node_network_receive_multicast_total{device=\"eth0\"} 8\n"
            "node_network_transmit_bytes_total{device=\"eth0\"} 9\n"
            "node_network_transmit_packets_total{device=\"eth0\"} 10\n"
            "node_network_transmit_errs_total{device=\"eth0\"} 11\n"
            "node_network_transmit_drop_total{device=\"eth0\"} 12\n"
            "node_network_transmit_fifo_total{device=\"eth0\"} 13\n"
            "node_network_transmit_colls_total{device=\"eth0\"} 14\n"
            "node_network_transmit_carrier_total{device=\"eth0\"} 15\n"
            "node_network_transmit_compressed_total{device=\"eth0\"} 16\n");
  Samples both(book);
  ASSERT_TRUE(parse_netdev(kNetDev, {}, {}, both));
  EXPECT_EQ(both.size(), 32U);
  Samples one(book);
  ASSERT_TRUE(parse_netdev(kNetDev, pattern("^l"), {}, one));
  EXPECT_EQ(one.size(), 16U);
  EXPECT_FALSE(parse_netdev("what\nis this\n", {}, {}, one));
}

TEST(HostConntrack, AddsUpTheProcessors) {
  EXPECT_EQ(
      parsed(parse_conntrack_stat,
             "entries  searched found new invalid ignore insert insert_failed drop early_drop search_restart\n"
             "00000021  00000000 00000001 00000000 0000000a 000005b9 00000000 00000000 00000000 00000000 000000ff\n"
             "00000021  00000000 00000002 00000000 00000001 00000000 00000000 00000003 00000000 00000000 00000001\n"),
      "node_nf_conntrack_stat_found 3\nnode_nf_conntrack_stat_invalid 11\nnode_nf_conntrack_stat_ignore 1465\n"
      "node_nf_conntrack_stat_insert 0\nnode_nf_conntrack_stat_insert_failed 3\nnode_nf_conntrack_stat_drop 0\n"
      "node_nf_conntrack_stat_early_drop 0\nnode_nf_conntrack_stat_search_restart 256\n");
  EXPECT_EQ(parsed(parse_conntrack_stat, ""), "it is empty");
}

TEST(HostStat, CountsWhatIsNotOfOneProcessor) {
  EXPECT_EQ(parsed(parse_stat,
                   "cpu 1 2\nintr 8885917 17 0\nctxt 38014093\nbtime 1418183276\nprocesses 26442\nprocs_running 2\n"
                   "procs_blocked 1\nsoftirq 5057579 250191\n"),
            "node_intr_total 8885917\nnode_context_switches_total 38014093\nnode_boot_time_seconds 1418183276\n"
            "node_forks_total 26442\nnode_procs_running 2\nnode_procs_blocked 1\n");
}

TEST(HostCpu, CountsTicksAsHundredthsOfASecond) {
  const auto cpus = parse_cpu(
      "cpu  301854 612 111922 8979004 3552 2 3944 0 0 0\ncpu0 44490 19 21045 1087069 220 1 3410 4 5 6\n"
      "cpu11 1 2 3 4\nintr 1\n");
  ASSERT_TRUE(cpus) << cpus.error().message;
  ASSERT_EQ(cpus->size(), 2U);
  EXPECT_EQ((*cpus)[0].cpu, "0");
  EXPECT_EQ((*cpus)[0].seconds, (std::array{444.9, 0.19, 210.45, 10870.69, 2.2, 0.01, 34.1, 0.04, 0.05, 0.06}));
  EXPECT_EQ((*cpus)[1].cpu, "11");
  EXPECT_EQ((*cpus)[1].seconds, (std::array{0.01, 0.02, 0.03, 0.04, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0}));
  EXPECT_FALSE(parse_cpu("cpu0 a b\n"));
  EXPECT_FALSE(parse_cpu("intr 1\n"));
}

TEST(HostCpu, NeverRunsBackwardsByLessThanThreeSeconds) {
  CpuTimes kept{"0", {10, 1, 10, 100, 5}};
  forward_only(kept, {"0", {11, 1, 9, 98, 4}});
  EXPECT_EQ(kept.seconds, (std::array{11.0, 1.0, 10.0, 100.0, 5.0, 0.0, 0.0, 0.0, 0.0, 0.0}));
  forward_only(kept, {"0", {1, 1, 1, 97, 1}});
  EXPECT_EQ(kept.seconds, (std::array{1.0, 1.0, 1.0, 97.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0}));
}

TEST(HostDiskstats, HasTheColumnsThatTheKernelHas) {
  const auto disks = parse_diskstats(
      "   8       0 sda 1 2 3 4 5 6 7 8 9 10 11\n 254 0 vda 1 2 3 4000 5 6 7 8 9 10 11 12 13 14 15 16 17 18\n");
  ASSERT_TRUE(disks) << disks.error().message;
  ASSERT_EQ(disks->size(), 2U);
  EXPECT_EQ((*disks)[0].counters.size(), 11U);
  FamilyBook book;
  Samples out(book);
  add_disk((*disks)[1], out);
  EXPECT_EQ(
      said({}, out),
      "node_disk_reads_completed_total{device=\"vda\"} 1\nnode_disk_reads_merged_total{device=\"vda\"} 2\n"
      "node_disk_read_bytes_total{device=\"vda\"} 1536\nnode_disk_read_time_seconds_total{device=\"vda\"} 4\n"
      "node_disk_writes_completed_total{device=\"vda\"} 5\nnode_disk_writes_merged_total{device=\"vda\"} 6\n"
      "node_disk_written_bytes_total{device=\"vda\"} 3584\nnode_disk_write_time_seconds_total{device=\"vda\"} 0.008\n"
      "node_disk_io_now{device=\"vda\"} 9\nnode_disk_io_time_seconds_total{device=\"vda\"} 0.01\n"
      "node_disk_io_time_weighted_seconds_total{device=\"vda\"} 0.011\n"
      "node_disk_discards_completed_total{device=\"vda\"} 12\nnode_disk_discards_merged_total{device=\"vda\"} 13\n"
      "node_disk_discarded_sectors_total{device=\"vda\"} 14\n"
      "node_disk_discard_time_seconds_total{device=\"vda\"} 0.015\n"
      "node_disk_flush_requests_total{device=\"vda\"} 16\n"
      "node_disk_flush_requests_time_seconds_total{device=\"vda\"} 0.017\n");
  EXPECT_FALSE(parse_diskstats(" 8 0 sda 1 2 3\n"));
  EXPECT_FALSE(parse_diskstats(" 8 0 sda 1 2 3 x 5 6 7 8 9 10 11\n"));
}

TEST(HostDiskstats, LeavesOutPartitionsLoopsAndRamDisks) {
  const Config config;
  for (const char* device : {"sda1", "vdb12", "nvme0n1p3", "loop0", "ram7", "zram0", "fd0", "xvda1"}) {
    EXPECT_FALSE(wanted({}, config.diskstats_device_exclude, device)) << device;
  }
  for (const char* device : {"sda", "vdb", "nvme0n1", "dm-0", "md0", "sr0", "mmcblk0p1"}) {
    EXPECT_TRUE(wanted({}, config.diskstats_device_exclude, device)) << device;
  }
}

TEST(HostDiskstats, ReadsUdevProperties) {
  const auto properties = parse_udev("S:disk/by-id/x\nI:123\nE:ID_MODEL=Turbo=2\nE:ID_SERIAL=S1\nbad\n");
  EXPECT_EQ(properties.size(), 2U);
  EXPECT_EQ(properties.at("ID_MODEL"), "Turbo=2");
}

TEST(HostMdadm, ReadsEveryKindOfArray) {
  EXPECT_EQ(parsed(parse_mdstat,
                   "Personalities : [raid1] [raid0] [raid6]\n"
                   "md0 : active raid1 sdb1[1] sda1[0](F) sdc1[2](S)\n"
                   "      1048512 blocks super 1.2 [2/1] [_U]\n"
                   "      bitmap: 0/1 pages [0KB], 65536KB chunk\n"
                   "      [==>......]  recovery = 12.6% (132224/1048512) finish=0.4min speed=33056K/sec\n"
                   "\n"
                   "md1 : active raid0 sdd1[0] sde1[1]\n"
                   "      2097024 blocks 512k chunks\n"
                   "      \n"
                   "md2 : inactive sdf1[0](S)\n"
                   "      314159 blocks super 1.2\n"
                   "       \n"
                   "md3 : active (auto-read-only) raid6 sdg1[0] sdh1[1] sdi1[2] sdj1[3]\n"
                   "      4096 blocks level 6, 64k chunk, algorithm 2 [4/4] [UUUU]\n"
                   "      \tresync=PENDING\n"
                   "unused devices: <none>\n"),
            "node_md_state{device=\"md0\",state=\"active\"} 0\nnode_md_state{device=\"md0\",state=\"inactive\"} 0\n"
            "node_md_state{device=\"md0\",state=\"recovering\"} 1\nnode_md_state{device=\"md0\",state=\"resync\"} 0\n"
            "node_md_state{device=\"md0\",state=\"check\"} 0\nnode_md_disks{device=\"md0\",state=\"active\"} 1\n"
            "node_md_disks{device=\"md0\",state=\"failed\"} 1\nnode_md_disks{device=\"md0\",state=\"spare\"} 1\n"
            "node_md_disks_required{device=\"md0\"} 2\nnode_md_blocks{device=\"md0\"} 1048512\n"
            "node_md_blocks_synced{device=\"md0\"} 132224\n"
            "node_md_state{device=\"md1\",state=\"active\"} 1\nnode_md_state{device=\"md1\",state=\"inactive\"} 0\n"
            "node_md_state{device=\"md1\",state=\"recovering\"} 0\nnode_md_state{device=\"md1\",state=\"resync\"} 0\n"
            "node_md_state{device=\"md1\",state=\"check\"} 0\nnode_md_disks{device=\"md1\",state=\"active\"} 2\n"
            "node_md_disks{device=\"md1\",state=\"failed\"} 0\nnode_md_disks{device=\"md1\",state=\"spare\"} 0\n"
            "node_md_disks_required{device=\"md1\"} 2\nnode_md_blocks{device=\"md1\"} 2097024\n"
            "node_md_blocks_synced{device=\"md1\"} 2097024\n"
            "node_md_state{device=\"md2\",state=\"active\"} 0\nnode_md_state{device=\"md2\",state=\"inactive\"} 1\n"
            "node_md_state{device=\"md2\",state=\"recovering\"} 0\nnode_md_state{device=\"md2\",state=\"resync\"} 0\n"
            "node_md_state{device=\"md2\",state=\"check\"} 0\nnode_md_disks{device=\"md2\",state=\"active\"} 0\n"
            "node_md_disks{device=\"md2\",state=\"failed\"} 0\nnode_md_disks{device=\"md2\",state=\"spare\"} 1\n"
            "node_md_disks_required{device=\"md2\"} 0\nnode_md_blocks{device=\"md2\"} 314159\n"
            "node_md_blocks_synced{device=\"md2\"} 314159\n"
            "node_md_state{device=\"md3\",state=\"active\"} 0\nnode_md_state{device=\"md3\",state=\"inactive\"} 0\n"
            "node_md_state{device=\"md3\",state=\"recovering\"} 0\nnode_md_state{device=\"md3\",state=\"resync\"} 1\n"
            "node_md_state{device=\"md3\",state=\"check\"} 0\nnode_md_disks{device=\"md3\",state=\"active\"} 4\n"
            "node_md_disks{device=\"md3\",state=\"failed\"} 0\nnode_md_disks{device=\"md3\",state=\"spare\"} 0\n"
            "node_md_disks_required{device=\"md3\"} 4\nnode_md_blocks{device=\"md3\"} 4096\n"
            "node_md_blocks_synced{device=\"md3\"} 0\n");
  EXPECT_EQ(parsed(parse_mdstat, "Personalities : \nunused devices: <none>\n"), "");
  EXPECT_EQ(parsed(parse_mdstat, "md0 : active raid1 sda1[0]\n      many blocks\n"), "unknown line \"many blocks\"");
  EXPECT_EQ(parsed(parse_mdstat, "md0 : active raid1 sda1[0]"), "nothing behind \"md0 : active raid1 sda1[0]\"");
  EXPECT_EQ(parsed(parse_mdstat, "what is this\n"), "unknown line \"what is this\"");
}

TEST(HostFilesystem, UndoesTheEscapesOfMounts) {
  const auto mounts = parse_mounts(
      "/dev/sda1 / ext4 rw,relatime 0 0\n/dev/sda1 / ext4 rw 0 0\n"
      "//server/a\\040b /mnt/with\\040blank\\011tab\\134 cifs ro,noatime 0 0\nshort line\n"
      "x /y\\04 tmpfs errors=ro 0 0\n");
  ASSERT_EQ(mounts.size(), 3U);
  EXPECT_EQ(mounts[0].point, "/");
  EXPECT_FALSE(mounts[0].read_only);
  EXPECT_EQ(mounts[1].device, "//server/a b");
  EXPECT_EQ(mounts[1].point, "/mnt/with blank\ttab\\");
  EXPECT_TRUE(mounts[1].read_only);
  EXPECT_EQ(mounts[2].point, "/y\\04");
  EXPECT_FALSE(mounts[2].read_only);
}

TEST(HostFilesystem, LeavesOutWhatNodeExporterLeavesOut) {
  const Config config;
  for (const char* point :
       {"/proc", "/dev/shm", "/sys/fs/cgroup", "/var/lib/docker/overlay2/x", "/run/credentials/a.service"}) {
    EXPECT_FALSE(wanted({}, config.filesystem_mount_points_exclude, point)) << point;
  }
  for (const char* point : {"/", "/run", "/home", "/mnt/data", "/development", "/var/lib/docker"}) {
    EXPECT_TRUE(wanted({}, config.filesystem_mount_points_exclude, point)) << point;
  }
  for (const char* type : {"proc", "cgroup2", "overlay", "squashfs"}) {
    EXPECT_FALSE(wanted({}, config.filesystem_fs_types_exclude, type)) << type;
  }
  for (const char* type : {"ext4", "xfs", "tmpfs", "nfs4", "fuse.sshfs"}) {
    EXPECT_TRUE(wanted({}, config.filesystem_fs_types_exclude, type)) << type;
  }
}

}  // namespace
}  // namespace tocsin::host
