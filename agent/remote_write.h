#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "agent/core/config/fields.h"
#include "agent/net/remote_write.h"
#include "agent/throttle.h"

namespace tocsin {

class Ingest;
class SeriesStore;

/// Samples that others push: the table [remote_write_receiver].
struct RemoteWriteConfig {
  bool enabled = false;
  std::size_t decoded_bytes_max = 32U << 20;
  RemoteWriteLimits limits;
  void fields(Fields& f);
};

/// What one request brought.
struct RemoteWriteOutcome {
  std::size_t samples = 0;  // kept; those that were here already count too
  std::size_t rejected = 0;
  std::size_t histograms = 0;  // not kept
  /// Why the first one was rejected; "" when none was.
  std::string problem;
};

/// Puts what remote write brings into the store, as it is: nobody's labels are added. What is bad in a series is
/// rejected and the rest kept. The engine's thread.
class RemoteWriteReceiver {
 public:
  RemoteWriteReceiver(SeriesStore& store, Ingest& ingest) : store_(store), ingest_(ingest) {}

  void apply(const RemoteWriteSeries& series, RemoteWriteOutcome& outcome);
  void apply(RemoteWriteMetadata metadata);
  /// Ends a request: counts it, and says in the log, once a minute, what was not kept.
  void finish(const RemoteWriteOutcome& outcome, std::string_view sender, TimePoint now);
  /// Counts a request that was refused as a whole.
  void refuse() { ++stats_.refused_total; }

  enum Reason { kBadLabels, kOutOfOrder, kConflict, kTooFarFuture, kSeriesLimit, kReasons };
  static constexpr std::array<std::string_view, kReasons> kReasonNames{"labels", "out_of_order", "duplicate",
                                                                       "too_far_future", "series_max"};
  struct Stats {
    std::uint64_t requests_total = 0;
    std::uint64_t refused_total = 0;
    std::uint64_t samples_total = 0;
    std::array<std::uint64_t, kReasons> rejected_total{};
    std::uint64_t histograms_total = 0;
    std::uint64_t exemplars_total = 0;
  };
  const Stats& stats() const { return stats_; }

 private:
  void reject(RemoteWriteOutcome& outcome, Reason reason, std::size_t samples, std::string problem);

  SeriesStore& store_;
  Ingest& ingest_;
  Stats stats_;
  Throttle say_rejected_, say_histograms_;
};

/// Which message a Content-Type announces; none is 1.0's. Error: neither.
Result<RemoteWriteVersion> remote_write_version(std::string_view content_type);

}  // namespace tocsin
