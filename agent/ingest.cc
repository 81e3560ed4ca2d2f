// The frame around every probe, as blackbox_exporter and Prometheus put it: probe_success and its like, or up and its
// like, then the probe's own samples under the target's labels. A label of a sample that the target has too is kept as
// exported_<name>, or wins when the probe says so.
//
// A target's series are remembered with their store handles, so that a run that finds what the run before found costs
// one hash look-up and one append per sample.

#include "agent/ingest.h"

#include <cmath>

#include "agent/core/log.h"

namespace tocsin {
namespace {

constexpr std::size_t kHistory = 120;
constexpr std::size_t kFamiliesMax = 100'000;

const std::vector<MetricInfo>& frame_metrics() {
  static const std::vector<MetricInfo> metrics{
      {"probe_success", "gauge", "Whether the probe succeeded."},
      {"probe_duration_seconds", "gauge", "How long the probe took."},
      {"probe_timeout_seconds", "gauge", "How long the probe may take."},
      {"probe_failure_cause", "gauge", "1 with the cause of the failure while the probe fails."},
      {"up", "gauge", "Whether the target could be scraped."},
      {"scrape_duration_seconds", "gauge", "How long the scrape took."},
  };
  return metrics;
}

const Labels kSuccess{{kMetricName, "probe_success"}};
const Labels kDuration{{kMetricName, "probe_duration_seconds"}};
const Labels kTimeout{{kMetricName, "probe_timeout_seconds"}};
const Labels kUp{{kMetricName, "up"}};
const Labels kScrapeDuration{{kMetricName, "scrape_duration_seconds"}};

}  // namespace

Labels Ingest::full_labels(const PlannedTarget& target, const Labels& given, bool honor_labels) {
  LabelsBuilder builder(given);
  for (const Label label : target.labels) {
    if (const std::string_view own = given.get(label.name); !own.empty()) {
      if (honor_labels) continue;
      std::string exported = "exported_" + std::string(label.name);
      while (given.has(exported) || target.labels.has(exported)) exported.insert(0, "exported_");
      builder.set(exported, own);
    }
    builder.set(label.name, label.value);
  }
  return builder.labels();
}

void Ingest::put(Target& target, const Labels& given, double value, TimePoint at, bool honor_labels) {
  auto [place, fresh] = target.series.try_emplace(given);
  Series& series = place->second;
  if (fresh) series.labels = full_labels(*target.status.target, given, honor_labels);
  AppendResult appended = store_.append(series.ref, at, value);
  if (appended == AppendResult::kUnknownRef) {
    const Result<SeriesRef> made = store_.ref(series.labels);
    if (made) {
      series.ref = *made;
      appended = store_.append(series.ref, at, value);
    } else if (refused_series_++ == 0) {
      refusal_ = made.error().message;
    }
  }
  if (appended != AppendResult::kAppended && appended != AppendResult::kDuplicate) {
    ++target.status.refused_samples_total;
  }
  series.value = value;
  series.run = target.run;
}

void Ingest::put_frame(Target& target, const ProbeRun& run) {
  const double success = run.result.success ? 1 : 0;
  if (run.target->type->frame == ProbeFrame::kScrape) {
    put(target, kUp, success, run.at);
    put(target, kScrapeDuration, run.duration_seconds, run.at);
  } else {
    put(target, kSuccess, success, run.at);
    put(target, kDuration, run.duration_seconds, run.at);
    put(target, kTimeout, to_seconds(run.target->timeout), run.at);
  }
  if (!run.result.success) {
    put(target, Labels{{kMetricName, "probe_failure_cause"}, {"cause", run.result.cause}}, 1, run.at);
  }
}

void Ingest::end_unseen(Target& target, TimePoint at) {
  std::erase_if(target.series, [&](auto& entry) {
    if (entry.second.run == target.run) return false;
    store_.append(entry.second.ref, at, kStaleNaN);
    return true;
  });
}

/// A limit is told when it is hit, not again while it stays hit; what all targets share, once a minute.
void Ingest::tell_limits(const Target& target, const ProbeRun& run) {
  const std::string& cause = run.result.cause;
  if (cause == "sample_limit" || cause == "label_limit" || cause == "body_size") {
    ++limits_hit_[cause];
    if (target.status.cause != cause) {
      log::warn("{}: nothing of the target is kept, for it is over a limit ({}): {}", run.target->labels.str(), cause,
                run.result.detail);
    }
  }
  if (refused_series_ > 0 && say_refused_.due(run.at)) {
    log::warn("{}: {} series were not kept: {}", run.target->labels.str(), refused_series_, refusal_);
  }
  if (run.result.histograms_skipped > 0 && say_histograms_.due(run.at)) {
    log::warn("{}: {} native histograms were not kept; only classic ones are", run.target->labels.str(),
              run.result.histograms_skipped);
  }
}

void Ingest::apply(const ProbeRun& run) {
  const auto place = targets_.find(run.target->identity);
  if (place == targets_.end()) return;  // gone by a reload while the run was under way
  Target& target = place->second;
  ++target.run;
  refused_series_ = 0;
  for (const ProbeSample& sample : run.result.samples)
    put(target, sample.labels, sample.value, sample.at.value_or(run.at), run.result.honor_labels);
  put_frame(target, run);
  end_unseen(target, run.at);

  if (run.result.metrics != nullptr && run.result.metrics.get() != target.metrics) {
    for (const MetricInfo& info : *run.result.metrics) families_.insert_or_assign(info.name, info);
    target.metrics = run.result.metrics.get();
  }

  tell_limits(target, run);
  TargetStatus& status = target.status;
  status.seen = true;
  status.success = run.result.success;
  status.cause = run.result.cause;
  status.detail = run.result.detail;
  status.last_run = run.at;
  status.last_seconds = run.duration_seconds;
  ++status.runs_total;
  status.missed_total += run.missed_slots;
  status.histograms_total += run.result.histograms_skipped;
  if (!run.result.success) {
    ++status.failures_total;
    status.last_failure = run.at;
    status.last_failure_cause = run.result.cause;
    status.last_failure_detail = run.result.detail;
  }
  status.history.push_back({run.at, static_cast<float>(run.duration_seconds), run.result.success});
  if (status.history.size() > kHistory) status.history.pop_front();
}

void Ingest::set_targets(const std::vector<std::shared_ptr<const PlannedTarget>>& targets, TimePoint now) {
  std::map<std::string, Target> before = std::move(targets_);
  targets_.clear();
  if (families_.empty()) {
    for (const MetricInfo& info : frame_metrics()) families_.emplace(info.name, info);
  }
  for (const auto& target : targets) {
    if (const auto known = before.find(target->identity); known != before.end()) {
      targets_.insert(before.extract(known));
    } else {
      targets_[target->identity].status.target = target;
    }
  }
  for (auto& [identity, target] : before) {
    ++target.run;
    end_unseen(target, now);
  }
}

void Ingest::describe(MetricInfo info) {
  if (families_.size() >= kFamiliesMax) return;
  std::string name = info.name;
  families_.try_emplace(std::move(name), std::move(info));
}

std::vector<const TargetStatus*> Ingest::status() const {
  std::vector<const TargetStatus*> out;
  for (const auto& [identity, target] : targets_) out.push_back(&target.status);
  std::sort(out.begin(), out.end(), [](auto* a, auto* b) { return a->target->labels < b->target->labels; });
  return out;
}

void Ingest::expose(std::string& out) const {
  // A histogram's or summary's samples stand below the name of their family.
  const auto family_of = [&](std::string_view name) -> std::string_view {
    for (const std::string_view suffix : {"", "_bucket", "_sum", "_count", "_total", "_created", "_info"}) {
      if (!name.ends_with(suffix)) continue;
      const std::string_view stem = name.substr(0, name.size() - suffix.size());
      if (families_.contains(stem)) return stem;
    }
    return name;
  };
  std::vector<std::pair<std::string_view, const Series*>> series;
  for (const auto& [identity, target] : targets_) {
    if (!target.status.target->expose) continue;
    for (const auto& [given, one] : target.series) series.emplace_back(family_of(one.labels.metric_name()), &one);
  }
  std::sort(series.begin(), series.end(), [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first < b.first : a.second->labels < b.second->labels;
  });
  std::string_view family;
  for (const auto& [name, one] : series) {
    if (name != family) {
      family = name;
      const auto info = families_.find(name);
      if (info != families_.end() && is_valid_legacy_metric_name(name)) {
        std::string help;
        for (const char c : info->second.help) help += c == '\n' ? "\\n" : c == '\\' ? "\\\\" : std::string(1, c);
        if (!help.empty()) out += fmt::format("# HELP {} {}\n", name, help);
        out += fmt::format("# TYPE {} {}\n", name, info->second.type.empty() ? "untyped" : info->second.type);
      }
    }
    append_exposition_line(out, one->labels, one->value);
  }
}

std::string format_value(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  return fmt::format("{}", value);
}

void append_exposition_line(std::string& out, const Labels& labels, double value) {
  // Only \, " and newline are escaped in label values; metric_str() would escape more.
  const std::string_view name = labels.metric_name();
  const bool plain = is_valid_legacy_metric_name(name);
  const auto put_escaped = [&](std::string_view text) {
    out += '"';
    for (const char c : text) {
      if (c == '\\' || c == '"') out += '\\';
      if (c == '\n') {
        out += "\\n";
      } else {
        out += c;
      }
    }
    out += '"';
  };
  if (plain) out += name;
  char separator = '{';
  if (!plain) {
    out += separator;
    put_escaped(name);
    separator = ',';
  }
  for (const Label label : labels) {
    if (label.name == kMetricName) continue;
    out += separator;
    if (is_valid_legacy_label_name(label.name)) {
      out += label.name;
    } else {
      put_escaped(label.name);
    }
    out += '=';
    put_escaped(label.value);
    separator = ',';
  }
  if (separator == ',') out += '}';
  out += ' ';
  out += format_value(value);
  out += '\n';
}

}  // namespace tocsin
