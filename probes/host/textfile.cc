// What other programs leave in *.prom files, as node_exporter's textfile collector takes it: a file with a mistake or
// with a timestamp is left out as a whole; of two files that describe a metric differently the second one's metric is
// left out; either sets node_textfile_scrape_error. A file's age is told only when it was good, so that a broken one
// does not look fresh.

#include <glob.h>
#include <sys/stat.h>

#include <map>
#include <set>

#include "agent/core/log.h"
#include "probes/exposition.h"
#include "probes/host/files.h"

namespace tocsin::host {
namespace {

constexpr Family kModified{
    "node_textfile_mtime_seconds", "gauge",
    "When the text file was last written, in seconds since 1970; only of files read without a mistake."};
constexpr Family kError{"node_textfile_scrape_error", "gauge", "1 when a text file or its folder could not be read."};
constexpr std::size_t kFileBytesMax = 16U << 20;

class Textfiles {
 public:
  explicit Textfiles(std::vector<std::string> patterns) : patterns_(std::move(patterns)) {}

  Result<void> collect(Samples& out) {
    errors_.clear();
    helps_.clear();
    for (const std::string& pattern : patterns_) {
      for (const std::string& folder : folders(pattern)) read_folder(folder, out);
    }
    out.add(kError, errors_.empty() ? 0 : 1);
    if (errors_ != told_) {
      for (const std::string& error : errors_) log::warn("textfile: {}", error);
      told_ = errors_;
    }
    return {};
  }

 private:
  static std::vector<std::string> folders(const std::string& pattern) {
    glob_t found{};
    std::vector<std::string> out;
    if (::glob(pattern.c_str(), 0, nullptr, &found) == 0) out.assign(found.gl_pathv, found.gl_pathv + found.gl_pathc);
    ::globfree(&found);
    if (out.empty()) out.push_back(pattern);
    return out;
  }

  void read_folder(const std::string& folder, Samples& out) {
    const auto names = list_folder(folder);
    if (!names) {
      errors_.push_back(names.error().message);
      return;
    }
    for (const std::string& name : *names) {
      if (!name.ends_with(".prom")) continue;
      const std::string path = folder + "/" + name;
      const Result<void> read = read_textfile(path, out);
      struct stat info {};
      if (!read) {
        errors_.push_back(read.error().message);
      } else if (::stat(path.c_str(), &info) == 0) {
        out.add(kModified, {{"file", path}}, static_cast<double>(info.st_mtim.tv_sec));
      }
    }
  }

  Result<void> read_textfile(const std::string& path, Samples& out) {
    const auto text = read_file(path, kFileBytesMax);
    if (!text) return tl::make_unexpected(text.error());
    auto exposition = parse_exposition(*text, ExpositionFormat::kText);
    if (!exposition) return fail_in(path, exposition.error());
    for (const ProbeSample& sample : exposition->samples) {
      if (sample.at)
        return fail("{}: {} has a timestamp, which text files must not have", path, sample.labels.metric_str());
    }
    // Families that the file describes; those that an earlier file described differently stay out.
    std::map<std::string_view, const MetricInfo*> families;
    for (const MetricInfo& metric : exposition->metrics) families[metric.name] = &metric;
    std::set<const MetricInfo*> refused;
    for (const auto& [name, metric] : families) {
      if (metric->help.empty()) continue;
      const auto [known, added] = helps_.try_emplace(metric->name, metric->help);
      if (added || known->second == metric->help) continue;
      refused.insert(metric);
      errors_.push_back(fmt::format("{}: {} is described differently in another file", path, name));
    }
    for (ProbeSample& sample : exposition->samples) {
      const std::string_view name = sample.labels.metric_name();
      const MetricInfo* family = family_of(families, name);
      if (refused.contains(family)) continue;
      const std::string help = family != nullptr && !family->help.empty() ? family->help : "Metric read from " + path;
      out.note({family != nullptr ? family->name : name, family != nullptr ? family->type : "untyped", help});
      out.add(std::move(sample.labels), sample.value);
    }
    return {};
  }

  /// The family a sample belongs to: its own name, or without _bucket, _sum or _count that of a histogram or summary.
  static const MetricInfo* family_of(const std::map<std::string_view, const MetricInfo*>& families,
                                     std::string_view name) {
    if (const auto own = families.find(name); own != families.end()) return own->second;
    for (const std::string_view suffix : {"_bucket", "_sum", "_count"}) {
      if (!name.ends_with(suffix)) continue;
      const auto found = families.find(name.substr(0, name.size() - suffix.size()));
      if (found == families.end()) continue;
      if (found->second->type == "histogram" || found->second->type == "summary") return found->second;
    }
    return nullptr;
  }

  std::vector<std::string> patterns_;
  std::map<std::string, std::string> helps_;
  std::vector<std::string> errors_;  // of this run
  std::vector<std::string> told_;    // what was logged last
};

}  // namespace

const Collector kTextfile{"textfile", true, [](const Config& config, Clock&) -> Collect {
                            auto files = std::make_shared<Textfiles>(config.textfile_directories);
                            return [files](Samples& out) { return files->collect(out); };
                          }};

}  // namespace tocsin::host
