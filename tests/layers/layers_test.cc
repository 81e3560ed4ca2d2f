// The picture of the layers, held against the #include lines. Run in the source folder.

#include <gtest/gtest.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <regex>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;

struct Layer {
  std::string folder;
  std::vector<std::string> may_include;  // folders, beside its own
};

// Longest folder first: agent/core before agent.
const std::array<Layer, 8> kLayers{{
    {"agent/core", {}},
    {"agent/net", {"agent/core"}},
    {"agent/store", {"agent/core"}},
    {"probes", {"agent/core", "agent/net", "agent/store"}},
    {"rules", {"agent/core", "agent/store"}},
    {"notifiers", {"agent/core", "agent/net", "agent/store"}},
    {"dashboards", {"agent/core"}},
    {"agent", {"agent/core", "agent/net", "agent/store", "probes", "rules", "notifiers", "dashboards"}},
}};

struct Door {
  std::string header;             // what the include begins with
  std::vector<std::string> open;  // files or folders that may include it
};

const std::array<Door, 16> kDoors{{
    {"toml++", {"agent/core/config/toml.cc"}},
    {"yaml-cpp", {"agent/core/config/yaml.cc"}},
    {"spdlog", {"agent/core/log.cc"}},
    {"sqlite3", {"agent/store"}},
    {"curl/", {"agent/net"}},
    {"ares", {"agent/net"}},
    {"ldns", {"agent/net"}},
    {"openssl", {"agent/net"}},
    {"boost/beast", {"agent/net"}},
    {"zlib", {"agent/net"}},
    {"snappy", {"agent/net"}},
    {"protozero/", {"agent/net"}},
    {"xxhash", {"rules/promql/series_hash.cc"}},
    {"prometheus/", {"agent"}},
    {"CLI/", {"agent/cli", "agent/main.cc"}},
    {"boost/asio", {"agent/core/async", "agent/core/clock", "agent/net", "agent", "probes", "notifiers"}},
}};

bool below(const std::string& path, const std::string& place) {
  return path.starts_with(place);
}

std::vector<std::string> sources() {
  std::vector<std::string> out;
  for (const char* top : {"agent", "probes", "rules", "notifiers", "dashboards"}) {
    for (const auto& entry : fs::recursive_directory_iterator(top)) {
      const std::string extension = entry.path().extension();
      if (extension == ".cc" || extension == ".h") out.push_back(entry.path().generic_string());
    }
  }
  return out;
}

const Layer& layer_of(const std::string& path) {
  for (const Layer& layer : kLayers) {
    if (below(path, layer.folder + "/")) return layer;
  }
  throw std::runtime_error(path + " is in no layer");
}

std::vector<std::string> mistakes() {
  static const std::regex include(R"re(^\s*#include\s+["<]([^">]+)[">])re");
  std::vector<std::string> out;
  for (const std::string& path : sources()) {
    const Layer& layer = layer_of(path);
    std::ifstream in(path);
    std::smatch match;
    for (std::string line; std::getline(in, line);) {
      if (!std::regex_search(line, match, include)) continue;
      const std::string header = match[1];
      if (fs::exists(header)) {
        const std::string& target = layer_of(header).folder;
        const bool allowed = target == layer.folder || std::find(layer.may_include.begin(), layer.may_include.end(),
                                                                 target) != layer.may_include.end();
        if (!allowed) out.push_back(path + " includes " + header);
        continue;
      }
      for (const Door& door : kDoors) {
        if (!header.starts_with(door.header)) continue;
        const bool core = layer.folder == "agent/core" && door.header == "boost/asio";
        const bool open = std::any_of(door.open.begin(), door.open.end(), [&](const std::string& place) {
          return below(path, place) && !(core && place == "agent");
        });
        if (!open) out.push_back(path + " includes " + header);
      }
    }
  }
  return out;
}

TEST(Layers, IncludeOnlyWhatThePictureAllows) {
  for (const std::string& mistake : mistakes()) ADD_FAILURE() << mistake;
}

TEST(Layers, OnlyTheClockKnowsTheTime) {
  static const std::regex now(
      R"re((system|steady|high_resolution)_clock::now\(\)|[^_a-z](gettimeofday|clock_gettime)\()re");
  for (const std::string& path : sources()) {
    // The kernel stamps an echo reply with CLOCK_REALTIME in nanoseconds, and only that clock compares with it.
    if (below(path, "agent/core/clock") || path == "agent/net/icmp.cc") continue;
    std::ifstream in(path);
    int number = 0;
    for (std::string line; std::getline(in, line);) {
      ++number;
      const std::string code = line.substr(0, line.find("//"));
      if (std::regex_search(code, now)) ADD_FAILURE() << path << ":" << number << ": " << line;
    }
  }
}

}  // namespace
