#include "probes/host/host.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <thread>

#include "probes/host/apart.h"
#include "probes/host/mounts.h"
#include "tests/support/run.h"
#include "tests/support/temp_dir.h"

namespace tocsin::host {
namespace {

namespace asio = boost::asio;

/// A machine of files.
class HostProbeTest : public ::testing::Test {
 protected:
  HostProbeTest() {
    config_.procfs = dir_.path("proc");
    config_.sysfs = dir_.path("sys");
    config_.udev = dir_.path("udev");
    config_.rootfs = dir_.path("root");
  }
  void write(const std::string& name, const std::string& text) {
    std::filesystem::create_directories(std::filesystem::path(dir_.path(name)).parent_path());
    dir_.write(name, text);
  }
  /// Only these collectors.
  void only(std::initializer_list<const char*> names) {
    for (const Collector& collector : collectors()) config_.collectors[std::string(collector.name)] = false;
    for (const char* name : names) config_.collectors[name] = true;
  }
  void run() {
    if (probe_ == nullptr) probe_ = std::make_unique<HostProbe>(config_, clock_);
    result_ = test::run(io_, probe_->run(test::in_ms(5000)));
  }
  /// The samples whose name begins so, one per line.
  std::string samples(std::string_view prefix) const {
    std::string out;
    for (const ProbeSample& s : result_.samples) {
      if (s.labels.metric_name().starts_with(prefix)) out += fmt::format("{} {}\n", s.labels.metric_str(), s.value);
    }
    return out;
  }
  std::string success(const char* collector) const {
    return samples("node_scrape_collector_success").find(fmt::format("\"{}\"}} 1", collector)) != std::string::npos
               ? "yes"
               : "no";
  }

  test::TempDir dir_;
  Config config_;
  asio::io_context io_;
  SystemClock clock_;
  std::unique_ptr<HostProbe> probe_;
  ProbeResult result_;
};

TEST_F(HostProbeTest, ACollectorThatFailsCostsOnlyItsOwnMetrics) {
  only({"loadavg", "meminfo", "bonding", "mdadm", "conntrack"});
  write("proc/loadavg", "1 2 3 1/2 3\n");
  write("proc/meminfo", "MemFree: 1 kB\nMemTotal: ? kB\n");
  run();
  EXPECT_TRUE(result_.success);
  EXPECT_EQ(samples("node_load"), "node_load1 1\nnode_load5 2\nnode_load15 3\n");
  EXPECT_EQ(samples("node_memory"), "");
  EXPECT_EQ(success("loadavg"), "yes");
  for (const char* name : {"meminfo", "bonding", "mdadm", "conntrack"}) EXPECT_EQ(success(name), "no") << name;
  EXPECT_NE(samples("node_exporter_build_info"), "");
}

TEST_F(HostProbeTest, DescribesWhatItFinds) {
  only({"loadavg", "filefd"});
  write("proc/loadavg", "1 2 3 1/2 3\n");
  write("proc/sys/fs/file-nr", "1 0 3\n");
  run();
  const auto first = result_.metrics;
  ASSERT_EQ(first->size(), 8U);
  EXPECT_EQ((*first)[0].name, "node_exporter_build_info");
  run();
  EXPECT_EQ(result_.metrics, first);
}

TEST_F(HostProbeTest, ReadsBonds) {
  only({"bonding"});
  write("sys/class/net/bonding_masters", "bond0 dmz int\n");
  write("sys/class/net/bond0/bonding/slaves", "\n");
  write("sys/class/net/dmz/bonding/slaves", "eth0 eth4\n");
  write("sys/class/net/dmz/lower_eth0/bonding_slave/mii_status", "up\n");
  write("sys/class/net/dmz/lower_eth4/bonding_slave/mii_status", "up\n");
  write("sys/class/net/int/bonding/slaves", "eth5 eth1\n");
  write("sys/class/net/int/slave_eth5/bonding_slave/mii_status", "down\n");
  write("sys/class/net/int/slave_eth1/bonding_slave/mii_status", "up\n");
  run();
  EXPECT_EQ(samples("node_bonding"),
            "node_bonding_slaves{master=\"bond0\"} 0\nnode_bonding_active{master=\"bond0\"} 0\n"
            "node_bonding_slaves{master=\"dmz\"} 2\nnode_bonding_active{master=\"dmz\"} 2\n"
            "node_bonding_slaves{master=\"int\"} 2\nnode_bonding_active{master=\"int\"} 1\n");
}

TEST_F(HostProbeTest, KnowsDisksByTheirUdevNames) {
  only({"diskstats"});
  write("proc/diskstats", "8 0 sda 1 2 3 4 5 6 7 8 9 10 11\n8 1 sda1 1 2 3 4 5 6 7 8 9 10 11\n");
  write("udev/b8:0",
        "E:ID_MODEL=Turbo\nE:ID_SERIAL=long\nE:ID_SERIAL_SHORT=short\nE:ID_FS_TYPE=ext4\nE:ID_FS_UUID=u\n");
  write("sys/block/sda/queue/rotational", "0\n");
  run();
  EXPECT_EQ(
      samples("node_disk_info"),
      "node_disk_info{device=\"sda\",major=\"8\",minor=\"0\",model=\"Turbo\",rotational=\"0\",serial=\"short\"} 1\n");
  EXPECT_EQ(samples("node_disk_filesystem_info"),
            "node_disk_filesystem_info{device=\"sda\",type=\"ext4\",uuid=\"u\"} 1\n");
  EXPECT_EQ(samples("node_disk_io_now"), "node_disk_io_now{device=\"sda\"} 9\n");
}

TEST_F(HostProbeTest, AsksMountPointsBelowTheRootOfTheHost) {
  only({"filesystem"});
  std::filesystem::create_directories(dir_.path("root/data"));
  write("proc/1/mounts",
        fmt::format(
            "/dev/a {} ext4 rw 0 0\n/dev/b {}/data xfs ro 0 0\n/dev/c /gone ext4 rw 0 0\nproc /proc proc rw 0 0\n",
            config_.rootfs, config_.rootfs));
  run();
  EXPECT_EQ(samples("node_filesystem_readonly"),
            "node_filesystem_readonly{device=\"/dev/a\",fstype=\"ext4\",mountpoint=\"/\"} 0\n"
            "node_filesystem_readonly{device=\"/dev/b\",fstype=\"xfs\",mountpoint=\"/data\"} 1\n"
            "node_filesystem_readonly{device=\"/dev/c\",device_error=\"no such file or directory\",fstype=\"ext4\","
            "mountpoint=\"/gone\"} 0\n");
  const std::string sizes = samples("node_filesystem_size_bytes");
  EXPECT_EQ(std::count(sizes.begin(), sizes.end(), '\n'), 2);
}

TEST_F(HostProbeTest, TakesTextFilesThatAreWithoutMistakeOnly) {
  only({"textfile"});
  config_.textfile_directories = {dir_.path("text*")};
  write("text1/a.prom",
        "# HELP jobs Jobs.\n# TYPE jobs counter\njobs{kind=\"x\"} 3\n# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_sum "
        "2\nh_count 1\n");
  write("text1/broken.prom", "jobs{ 4\n");
  write("text1/stamped.prom", "stamped 4 1700000000000\n");
  write("text1/.hidden.prom", "hidden 1\n");
  write("text1/note.txt", "note 1\n");
  write("text2/b.prom", "# HELP jobs Other jobs.\njobs{kind=\"y\"} 5\nfree 6\n");
  run();
  EXPECT_EQ(samples("jobs"), "jobs{kind=\"x\"} 3\n");
  EXPECT_EQ(samples("h"), "h_bucket{le=\"1.0\"} 1\nh_sum 2\nh_count 1\n");
  EXPECT_EQ(samples("free"), "free 6\n");
  EXPECT_EQ(samples("stamped"), "");
  EXPECT_EQ(samples("note"), "");
  EXPECT_EQ(samples("node_textfile_scrape_error"), "node_textfile_scrape_error 1\n");
  const std::string times = samples("node_textfile_mtime_seconds");
  EXPECT_EQ(std::count(times.begin(), times.end(), '\n'), 2);
  for (const MetricInfo& metric : *result_.metrics) {
    if (metric.name == "jobs") {
      EXPECT_EQ(metric.help, "Jobs.");
    }
    if (metric.name == "free") {
      EXPECT_EQ(metric.help, "Metric read from " + dir_.path("text2/b.prom"));
    }
    EXPECT_NE(metric.name, "h_sum");
  }
  std::filesystem::remove_all(dir_.path("text2"));
  std::filesystem::remove(dir_.path("text1/broken.prom"));
  std::filesystem::remove(dir_.path("text1/stamped.prom"));
  run();
  EXPECT_EQ(samples("node_textfile_scrape_error"), "node_textfile_scrape_error 0\n");
}

TEST_F(HostProbeTest, SaysThatATextFolderIsMissing) {
  only({"textfile"});
  config_.textfile_directories = {dir_.path("nowhere")};
  run();
  EXPECT_EQ(samples("node_textfile_scrape_error"), "node_textfile_scrape_error 1\n");
  EXPECT_EQ(success("textfile"), "yes");
}

TEST_F(HostProbeTest, FindsThisMachine) {
  config_ = Config();
  run();
  EXPECT_TRUE(result_.success);
  for (const char* name :
       {"cpu", "loadavg", "meminfo", "stat", "time", "uname", "vmstat", "netdev", "filesystem", "filefd"}) {
    EXPECT_EQ(success(name), "yes") << name;
  }
  EXPECT_EQ(samples("node_scrape_collector_success").find("systemd"), std::string::npos);
}

/// A mount point that hangs until the test lets it go.
struct Gate {
  std::mutex mutex;
  std::condition_variable changed;
  bool open = false;
  int inside = 0;

  void pass() {
    std::unique_lock lock(mutex);
    ++inside;
    changed.wait(lock, [this] { return open; });
    --inside;
    changed.notify_all();
  }
  void open_and_wait() {
    std::unique_lock lock(mutex);
    open = true;
    changed.notify_all();
    changed.wait(lock, [this] { return inside == 0; });
  }
};

TEST(MountReader, DoesNotWaitTwiceForAMountThatHangs) {
  auto gate = std::make_shared<Gate>();
  SystemClock clock;
  asio::io_context io;
  MountReader reader(clock, [gate](const std::string& path) {
    if (path == "/dead") gate->pass();
    Usage usage;
    usage.size = static_cast<double>(path.size());
    return usage;
  });
  const auto read = [&](int patience_ms) {
    std::vector<std::string> errors;
    for (const Usage& usage :
         test::run(io, reader.read({"/a", "/dead", "/bb"}, Duration(patience_ms), test::in_ms(20000)))) {
      errors.push_back(usage.error.empty() ? fmt::format("{}", usage.size) : usage.error);
    }
    return fmt::format("{}", fmt::join(errors, ","));
  };
  EXPECT_EQ(read(100), "2,mountpoint timeout,3");
  EXPECT_EQ(reader.hanging(), 1U);
  EXPECT_EQ(read(10000), "2,mountpoint timeout,3");  // it is not asked again
  gate->open_and_wait();
  while (reader.hanging() > 0) std::this_thread::yield();
  EXPECT_EQ(read(10000), "2,5,3");
}

TEST(Apart, EndsAtTheDeadlineWithoutTheWork) {
  auto gate = std::make_shared<Gate>();
  asio::io_context io;
  EXPECT_FALSE(test::run(io, run_apart([gate] { gate->pass(); }, test::in_ms(50))));
  gate->open_and_wait();
  EXPECT_TRUE(test::run(io, run_apart([] {}, test::in_ms(20000))));
}

}  // namespace
}  // namespace tocsin::host
