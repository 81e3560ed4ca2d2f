// protozero walks the bytes; the numbers of the fields are those of Prometheus' prompb/types.proto, prompb/remote.proto
// and io/prometheus/write/v2/types.proto.
//
// protozero asserts that a field is asked for as the type it has, so every field is known by its number together with
// its wire type; what has another type is skipped, as protobuf wants it for unknown fields. It throws when the bytes
// end early or are no protobuf: the exceptions stay in this file.

#include "agent/net/remote_write.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <protozero/pbf_reader.hpp>
#include <stdexcept>

namespace tocsin {
namespace {

using protozero::pbf_reader;

constexpr std::size_t kExcerptBytes = 200;

constexpr std::uint32_t bytes_field(std::uint32_t number) {
  return protozero::tag_and_type(number, protozero::pbf_wire_type::length_delimited);
}
constexpr std::uint32_t varint_field(std::uint32_t number) {
  return protozero::tag_and_type(number, protozero::pbf_wire_type::varint);
}
constexpr std::uint32_t double_field(std::uint32_t number) {
  return protozero::tag_and_type(number, protozero::pbf_wire_type::fixed64);
}

namespace v1 {
// WriteRequest
constexpr std::uint32_t kTimeSeries = bytes_field(1), kMetadata = bytes_field(3);
// TimeSeries
constexpr std::uint32_t kLabel = bytes_field(1), kSample = bytes_field(2), kExemplar = bytes_field(3),
                        kHistogram = bytes_field(4);
// Label
constexpr std::uint32_t kName = bytes_field(1), kLabelValue = bytes_field(2);
// MetricMetadata
constexpr std::uint32_t kType = varint_field(1), kFamily = bytes_field(2), kHelp = bytes_field(4);
}  // namespace v1

namespace v2 {
// Request
constexpr std::uint32_t kSymbol = bytes_field(4), kTimeSeries = bytes_field(5);
// TimeSeries
constexpr std::uint32_t kLabelRefs = bytes_field(1), kLabelRef = varint_field(1), kSample = bytes_field(2),
                        kHistogram = bytes_field(3), kExemplar = bytes_field(4), kMetadata = bytes_field(5);
// Metadata
constexpr std::uint32_t kType = varint_field(1), kHelpRef = varint_field(3);
}  // namespace v2

// Sample, the same in both
constexpr std::uint32_t kValue = double_field(1), kTimestamp = varint_field(2);

/// The field's bytes, as what the standard calls them.
std::string_view view_of(pbf_reader& message) {
  const protozero::data_view view = message.get_view();
  return {view.data(), view.size()};
}

pbf_reader reader_of(std::string_view message) {
  return pbf_reader(message.data(), message.size());
}

/// The same numbers in both versions.
std::string type_name(std::int32_t type) {
  constexpr std::array<const char*, 8> kNames{"unknown",        "counter", "gauge", "histogram",
                                              "gaugehistogram", "summary", "info",  "stateset"};
  return type >= 0 && static_cast<std::size_t>(type) < kNames.size() ? kNames[static_cast<std::size_t>(type)]
                                                                     : kNames[0];
}

/// For people: `{a="1", b="2"}`, cut where it gets long.
std::string excerpt(const std::vector<Label>& labels) {
  std::string out = "{";
  for (const Label& label : labels) {
    if (out.size() > 1) out += ", ";
    out += fmt::format("{}={}", label.name.substr(0, kExcerptBytes), quoted(label.value.substr(0, kExcerptBytes)));
    if (out.size() > kExcerptBytes) return fmt::format("{}…", std::string_view(out).substr(0, kExcerptBytes));
  }
  return out + "}";
}

/// Why labels sorted by name are no good; "" when they are.
std::string problem_of(const std::vector<Label>& labels, const RemoteWriteLimits& limits) {
  bool named = false;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const auto& [name, value] = labels[i];
    if (name.empty()) return fmt::format("a label has no name in {}", excerpt(labels));
    if (i > 0 && labels[i - 1].name == name) {
      return fmt::format("label {} is there twice in {}", quoted(name.substr(0, kExcerptBytes)), excerpt(labels));
    }
    if (name.size() > limits.label_name_bytes) {
      return fmt::format("label name {}… is longer than {} bytes", quoted(name.substr(0, 40)), limits.label_name_bytes);
    }
    if (value.size() > limits.label_value_bytes) {
      return fmt::format("the value of label {} is longer than {} bytes, in {}", quoted(name), limits.label_value_bytes,
                         excerpt(labels));
    }
    if (!is_valid_utf8(name)) return fmt::format("label name {} is not valid UTF-8", quoted(name));
    if (!is_valid_utf8(value)) {
      return fmt::format("the value of label {} is not valid UTF-8, in {}", quoted(name), excerpt(labels));
    }
    named = named || (name == kMetricName && !value.empty());
  }
  return named ? "" : fmt::format("the series has no metric name: {}", excerpt(labels));
}

}  // namespace

RemoteWriteReader::RemoteWriteReader(std::string_view message, RemoteWriteVersion version, RemoteWriteLimits limits)
    : left_(message), version_(version), limits_(limits) {}

Result<bool> RemoteWriteReader::next(RemoteWriteSeries& series) {
  try {
    return read_next(series);
  } catch (const protozero::exception& e) {
    return fail("the bytes are no remote write message: {}", e.what());
  } catch (const std::invalid_argument& e) {  // thrown below, with its own sentence
    return fail("{}", e.what());
  }
}

bool RemoteWriteReader::read_next(RemoteWriteSeries& series) {
  const bool second = version_ == RemoteWriteVersion::kV2;
  if (second && !symbols_read_) read_symbols();
  series.labels = {};
  series.problem.clear();
  series.samples.clear();
  series.histograms = series.exemplars = 0;
  series.metadata.reset();
  raw_.clear();
  raw_count_ = 0;

  pbf_reader request = reader_of(left_);
  while (request.next()) {
    const auto field = request.tag_and_type();
    if (!second && field == v1::kMetadata) {
      read_metadata_v1(view_of(request));
    } else if (field == (second ? v2::kTimeSeries : v1::kTimeSeries)) {
      const std::string_view message = view_of(request);
      second ? read_series_v2(message, series) : read_series_v1(message, series);
      left_.remove_prefix(left_.size() - request.length());
      return true;
    } else {
      request.skip();
    }
  }
  left_ = {};
  return false;
}

void RemoteWriteReader::read_symbols() {
  symbols_read_ = true;
  for (pbf_reader request = reader_of(left_); request.next();) {
    if (request.tag_and_type() != v2::kSymbol) {
      request.skip();
      continue;
    }
    if (symbols_.size() >= limits_.symbols) {
      throw std::invalid_argument(fmt::format("the message has more than {} symbols", limits_.symbols));
    }
    symbols_.push_back(view_of(request));
  }
}

std::string_view RemoteWriteReader::symbol(std::uint32_t number) const {
  if (number < symbols_.size()) return symbols_[number];
  throw std::invalid_argument(fmt::format("symbol {} is not in the table of {}", number, symbols_.size()));
}

void RemoteWriteReader::read_series_v1(std::string_view message, RemoteWriteSeries& series) {
  for (pbf_reader reader = reader_of(message); reader.next();) {
    switch (reader.tag_and_type()) {
      case v1::kLabel: {
        Label label;
        for (pbf_reader pair = reader.get_message(); pair.next();) {
          switch (pair.tag_and_type()) {
            case v1::kName:
              label.name = view_of(pair);
              break;
            case v1::kLabelValue:
              label.value = view_of(pair);
              break;
            default:
              pair.skip();
          }
        }
        if (++raw_count_ <= limits_.labels) raw_.push_back(label);
        break;
      }
      case v1::kSample:
        add_sample(view_of(reader), series);
        break;
      case v1::kHistogram:
        ++series.histograms;
        reader.skip();
        break;
      case v1::kExemplar:
        ++series.exemplars;
        reader.skip();
        break;
      default:
        reader.skip();
    }
  }
  set_labels(series);
}

void RemoteWriteReader::read_series_v2(std::string_view message, RemoteWriteSeries& series) {
  // References come in pairs: name, value.
  std::optional<std::string_view> name;
  const auto add_ref = [&](std::uint32_t number) {
    const std::string_view text = symbol(number);
    if (!name) {
      name = text;
      return;
    }
    if (++raw_count_ <= limits_.labels) raw_.push_back({*name, text});
    name.reset();
  };
  for (pbf_reader reader = reader_of(message); reader.next();) {
    switch (reader.tag_and_type()) {
      case v2::kLabelRefs:
        for (const std::uint32_t number : reader.get_packed_uint32()) add_ref(number);
        break;
      case v2::kLabelRef:
        add_ref(reader.get_uint32());
        break;
      case v2::kSample:
        add_sample(view_of(reader), series);
        break;
      case v2::kHistogram:
        ++series.histograms;
        reader.skip();
        break;
      case v2::kExemplar:
        ++series.exemplars;
        reader.skip();
        break;
      case v2::kMetadata:
        series.metadata = read_metadata_v2(view_of(reader));
        break;
      default:
        reader.skip();
    }
  }
  if (name) throw std::invalid_argument("a series has a label name without a value");
  set_labels(series);
  if (series.metadata) series.metadata->family = series.labels.metric_name();
}

void RemoteWriteReader::add_sample(std::string_view message, RemoteWriteSeries& series) {
  if (++samples_ > limits_.samples) {
    throw std::invalid_argument(fmt::format("the message has more than {} samples", limits_.samples));
  }
  std::int64_t t = 0;
  double v = 0;
  for (pbf_reader reader = reader_of(message); reader.next();) {
    switch (reader.tag_and_type()) {
      case kValue:
        v = reader.get_double();
        break;
      case kTimestamp:
        t = reader.get_int64();
        break;
      default:
        reader.skip();
    }
  }
  series.samples.push_back({TimePoint(Duration(t)), v});
}

void RemoteWriteReader::set_labels(RemoteWriteSeries& series) {
  const auto by_name = [](const Label& a, const Label& b) { return a.name < b.name; };
  if (!std::is_sorted(raw_.begin(), raw_.end(), by_name)) std::sort(raw_.begin(), raw_.end(), by_name);
  series.problem = raw_count_ > limits_.labels
                       ? fmt::format("{} labels, {} are allowed, in {}", raw_count_, limits_.labels, excerpt(raw_))
                       : problem_of(raw_, limits_);
  if (series.problem.empty()) series.labels = Labels(raw_);
}

void RemoteWriteReader::read_metadata_v1(std::string_view message) {
  RemoteWriteMetadata metadata;
  metadata.type = type_name(0);
  for (pbf_reader reader = reader_of(message); reader.next();) {
    switch (reader.tag_and_type()) {
      case v1::kType:
        metadata.type = type_name(reader.get_enum());
        break;
      case v1::kFamily:
        metadata.family = view_of(reader);
        break;
      case v1::kHelp:
        metadata.help = view_of(reader);
        break;
      default:
        reader.skip();
    }
  }
  const bool fits =
      metadata.family.size() <= limits_.label_value_bytes && metadata.help.size() <= limits_.label_value_bytes;
  const bool good = !metadata.family.empty() && is_valid_utf8(metadata.family) && is_valid_utf8(metadata.help);
  if (fits && good && metadata_.size() < limits_.symbols) metadata_.push_back(std::move(metadata));
}

RemoteWriteMetadata RemoteWriteReader::read_metadata_v2(std::string_view message) const {
  RemoteWriteMetadata metadata;
  metadata.type = type_name(0);
  for (pbf_reader reader = reader_of(message); reader.next();) {
    switch (reader.tag_and_type()) {
      case v2::kType:
        metadata.type = type_name(reader.get_enum());
        break;
      case v2::kHelpRef:
        metadata.help = symbol(reader.get_uint32());
        break;
      default:
        reader.skip();
    }
  }
  if (metadata.help.size() > limits_.label_value_bytes || !is_valid_utf8(metadata.help)) metadata.help.clear();
  return metadata;
}

Result<RemoteWriteRequest> decode_remote_write(std::string_view message, RemoteWriteVersion version,
                                               RemoteWriteLimits limits) {
  RemoteWriteReader reader(message, version, limits);
  RemoteWriteRequest out;
  for (RemoteWriteSeries series;;) {
    const Result<bool> more = reader.next(series);
    if (!more) return tl::make_unexpected(more.error());
    if (!*more) break;
    out.series.push_back(std::move(series));
  }
  out.metadata = reader.take_metadata();
  return out;
}

}  // namespace tocsin
