#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/core/labels.h"
#include "agent/core/result.h"
#include "agent/core/sample.h"

namespace tocsin {

/// The two messages of Prometheus' remote write protocol.
enum class RemoteWriteVersion {
  kV1,  // prometheus.WriteRequest
  kV2,  // io.prometheus.write.v2.Request: labels are numbers in a table of symbols
};

/// What one message may have. The labels' limits refuse a series, the others the message.
struct RemoteWriteLimits {
  std::size_t labels = 128;
  std::size_t label_name_bytes = 1024;
  std::size_t label_value_bytes = 16U << 10;
  std::size_t samples = 1'000'000;  // in all series
  std::size_t symbols = 1'000'000;
};

/// What a metric family is.
struct RemoteWriteMetadata {
  std::string family;
  std::string type;  // as the exposition formats call it; "unknown" when the sender does not say
  std::string help;
};

struct RemoteWriteSeries {
  /// Empty when there is a `problem`.
  Labels labels;
  /// Why the labels are no good, and which: `label "a" is there twice in {a="1", a="2"}`.
  std::string problem;
  std::vector<Sample> samples;                  // as they came: in any order, with stale markers
  std::size_t histograms = 0;                   // native ones; counted, not read
  std::size_t exemplars = 0;                    // counted, not read
  std::optional<RemoteWriteMetadata> metadata;  // v2 sends it with the series
};

/// Reads a decompressed message series by series, so that whoever takes them can do something else in between. Knows no
/// I/O and never throws: what the bytes are does not matter. Labels may come in any order, as Prometheus takes them.
class RemoteWriteReader {
 public:
  /// The message must stay while it is read.
  RemoteWriteReader(std::string_view message, RemoteWriteVersion version, RemoteWriteLimits limits = {});

  /// Reads the next series into `series`; false at the end. Errors, all final: bytes that are no such message, symbols
  /// that are not in the table, a limit of the message.
  Result<bool> next(RemoteWriteSeries& series);

  /// What a v1 message says of metric families, of all that was read.
  std::vector<RemoteWriteMetadata> take_metadata() { return std::move(metadata_); }

 private:
  using RawLabels = std::vector<Label>;
  bool read_next(RemoteWriteSeries& series);
  void read_symbols();
  void read_series_v1(std::string_view message, RemoteWriteSeries& series);
  void read_series_v2(std::string_view message, RemoteWriteSeries& series);
  void read_metadata_v1(std::string_view message);
  RemoteWriteMetadata read_metadata_v2(std::string_view message) const;
  void add_sample(std::string_view message, RemoteWriteSeries& series);
  std::string_view symbol(std::uint32_t number) const;
  void set_labels(RemoteWriteSeries& series);

  std::string_view left_;  // of the message
  RemoteWriteVersion version_;
  RemoteWriteLimits limits_;
  bool symbols_read_ = false;
  std::size_t samples_ = 0;
  std::vector<std::string_view> symbols_;
  RawLabels raw_;              // of the series being read
  std::size_t raw_count_ = 0;  // also those beyond the limit
  std::vector<RemoteWriteMetadata> metadata_;
};

struct RemoteWriteRequest {
  std::vector<RemoteWriteSeries> series;
  std::vector<RemoteWriteMetadata> metadata;  // v1
};

/// The whole of a decompressed message at once. Errors: as RemoteWriteReader::next().
Result<RemoteWriteRequest> decode_remote_write(std::string_view message, RemoteWriteVersion version,
                                               RemoteWriteLimits limits = {});

}  // namespace tocsin
