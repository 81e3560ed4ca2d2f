#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "agent/core/labels.h"
#include "agent/core/sample.h"

namespace tocsin::promapi {

/// JSON written straight into a string, as Go's encoding/json and Prometheus' own encoders write it, byte for byte.
/// Commas come by themselves; that what is opened is closed is the caller's affair.
class JsonWriter {
 public:
  JsonWriter() = default;
  /// Goes on after `begun`, which ends where a value may stand.
  explicit JsonWriter(std::string begun) : out_(std::move(begun)) {}

  JsonWriter& open_object() { return open('{'); }
  JsonWriter& close_object() { return close('}'); }
  JsonWriter& open_array() { return open('['); }
  JsonWriter& close_array() { return close(']'); }
  JsonWriter& key(std::string_view name);
  /// What is no UTF-8 becomes U+FFFD.
  JsonWriter& string(std::string_view text);
  JsonWriter& number(double v);  // finite
  JsonWriter& integer(std::int64_t v);
  JsonWriter& boolean(bool v);
  /// What is JSON already.
  JsonWriter& raw(std::string_view json);

  /// {"name":"value",…}
  JsonWriter& labels(const Labels& labels);
  /// [1435781430.781,"1"]
  JsonWriter& sample(const Sample& sample);
  /// 1435781430.781: three digits behind the point, unless all of them are 0.
  JsonWriter& timestamp(TimePoint t);
  /// "0.5", "NaN", "+Inf", "1e-07": a sample's value, in quotes.
  JsonWriter& value(double v);
  /// RFC 3339, as Go prints it; what never was is Go's zero time.
  JsonWriter& time(TimePoint t);
  JsonWriter& strings(const std::vector<std::string>& all);

  std::size_t size() const { return out_.size(); }
  std::string take() { return std::move(out_); }

 private:
  JsonWriter& open(char c);
  JsonWriter& close(char c);
  void comma() {
    if (comma_) out_ += ',';
    comma_ = true;
  }
  std::string out_;
  bool comma_ = false;
};

/// strconv.FormatFloat(v, 'f' or 'e', -1, 64): shortest, and 'e' below a millionth and from 1e21 on, as Prometheus
/// prints samples. NaN, +Inf, -Inf.
void append_value(std::string& out, double v);
/// FormatFloat(v, 'e', -1, 64): "1e+00", as values of alerts.
std::string format_exponent(double v);

}  // namespace tocsin::promapi
