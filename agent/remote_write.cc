// Prometheus' rules for what is pushed (write_handler.go), with one difference: there a 1.0 request with one bad sample
// is undone, while here, as for 2.0 there, the good samples of a request are kept and the answer tells of the first bad
// one. The specification of 1.0 allows that, and it means that a sender which never repeats a refused request loses
// less.

#include "agent/remote_write.h"

#include "agent/core/log.h"
#include "agent/ingest.h"
#include "agent/store/series_store.h"

namespace tocsin {
namespace {

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

}  // namespace

void RemoteWriteConfig::fields(Fields& f) {
  f("enabled", enabled, "Take samples at POST /api/v1/write, as Prometheus' remote write 1.0 and 2.0 send them.");
  f("decoded_bytes_max", decoded_bytes_max, "The most bytes a request may have when it is decompressed; more is 413.")
      .range(1024, std::size_t{1} << 30);
  f("label_limit", limits.labels, "The most labels a series may have; one with more is rejected.").range(1, 4096);
  f("label_name_length_limit", limits.label_name_bytes, "The most bytes a label's name may have.").range(1, 1U << 20);
  f("label_value_length_limit", limits.label_value_bytes, "The most bytes a label's value may have.")
      .range(1, 1U << 20);
}

Result<RemoteWriteVersion> remote_write_version(std::string_view content_type) {
  content_type = trimmed(content_type);
  if (content_type.empty()) return RemoteWriteVersion::kV1;
  std::size_t end = std::min(content_type.find(';'), content_type.size());
  if (trimmed(content_type.substr(0, end)) != "application/x-protobuf") {
    return fail("expected application/x-protobuf as the first (media) part, got {} content-type", content_type);
  }
  while (end < content_type.size()) {
    const std::size_t begin = end + 1;
    end = std::min(content_type.find(';', begin), content_type.size());
    const std::string_view parameter = trimmed(content_type.substr(begin, end - begin));
    if (!parameter.starts_with("proto=")) continue;
    const std::string_view message = parameter.substr(6);
    if (message == "prometheus.WriteRequest") return RemoteWriteVersion::kV1;
    if (message == "io.prometheus.write.v2.Request") return RemoteWriteVersion::kV2;
    return fail(
        "{} is no message of remote write; there are prometheus.WriteRequest and io.prometheus.write.v2.Request",
        quoted(message));
  }
  return RemoteWriteVersion::kV1;
}

void RemoteWriteReceiver::reject(RemoteWriteOutcome& outcome, Reason reason, std::size_t samples, std::string problem) {
  stats_.rejected_total[reason] += samples;
  outcome.rejected += samples;
  if (outcome.problem.empty()) outcome.problem = std::move(problem);
}

void RemoteWriteReceiver::apply(const RemoteWriteSeries& series, RemoteWriteOutcome& outcome) {
  outcome.histograms += series.histograms;
  stats_.exemplars_total += series.exemplars;
  if (!series.problem.empty()) {
    reject(outcome, kBadLabels, std::max<std::size_t>(series.samples.size(), 1), series.problem);
    return;
  }
  if (series.metadata) apply(*series.metadata);
  if (series.samples.empty()) return;
  const Result<SeriesRef> ref = store_.ref(series.labels);
  if (!ref) {
    reject(outcome, kSeriesLimit, series.samples.size(), ref.error().message);
    return;
  }
  const auto problem = [&](std::string_view what, const Sample& sample) {
    return fmt::format("{} for series {} at {}", what, series.labels.metric_str(), format_rfc3339(sample.t));
  };
  for (const Sample& sample : series.samples) {
    switch (store_.append(*ref, sample.t, sample.v)) {
      case AppendResult::kAppended:
      case AppendResult::kDuplicate:
        ++outcome.samples;
        break;
      case AppendResult::kConflict:
        reject(outcome, kConflict, 1, problem("duplicate sample for timestamp", sample));
        break;
      case AppendResult::kTooFarFuture:
        reject(outcome, kTooFarFuture, 1, problem("out of bounds: timestamp is too far in the future", sample));
        break;
      case AppendResult::kOutOfOrder:
      case AppendResult::kUnknownRef:
        reject(outcome, kOutOfOrder, 1, problem("out of order sample", sample));
        break;
    }
  }
}

void RemoteWriteReceiver::apply(RemoteWriteMetadata metadata) {
  if (metadata.type == "unknown") metadata.type = "untyped";
  ingest_.describe({std::move(metadata.family), std::move(metadata.type), std::move(metadata.help)});
}

void RemoteWriteReceiver::finish(const RemoteWriteOutcome& outcome, std::string_view sender, TimePoint now) {
  ++stats_.requests_total;
  stats_.samples_total += outcome.samples;
  stats_.histograms_total += outcome.histograms;
  if (outcome.rejected > 0 && say_rejected_.due(now)) {
    log::warn("remote write from {}: {} samples of a request were rejected, the first one: {}", sender,
              outcome.rejected, outcome.problem);
  }
  if (outcome.histograms > 0 && say_histograms_.due(now)) {
    log::warn("remote write from {}: {} samples of native histograms in a request, which are not kept", sender,
              outcome.histograms);
  }
}

}  // namespace tocsin
