// Samples are most of what the API says, so they are written without a detour: a timestamp is an integer and three
// digits, a value mostly an integer too, and a label set is escaped once per series.

#include "agent/api/prometheus/json.h"

#include <array>
#include <charconv>
#include <cmath>

#include "agent/core/go_text.h"

namespace tocsin::promapi {
namespace {

template <class T>
void append_integer(std::string& out, T v) {
  std::array<char, 24> text;
  const auto end = std::to_chars(text.data(), text.data() + text.size(), v).ptr;
  out.append(text.data(), end);
}

/// Whole digits and zeros behind them, where std::to_chars would spell out what a double of that size is exactly.
void append_large(std::string& out, double v) {
  std::array<char, 32> text;
  const auto end = std::to_chars(text.data(), text.data() + text.size(), v, std::chars_format::scientific).ptr;
  const std::string_view all(text.data(), static_cast<std::size_t>(end - text.data()));
  const std::size_t e = all.find('e');
  int exponent = 0;
  std::from_chars(all.data() + e + 2, all.data() + all.size(), exponent);
  std::size_t digits = 0;
  for (const char c : all.substr(0, e)) {
    if (c == '.') continue;
    out += c;
    if (c != '-') ++digits;
  }
  out.append(static_cast<std::size_t>(exponent) + 1 - digits, '0');
}

void append_float(std::string& out, double v, std::chars_format format) {
  std::array<char, 64> text;
  const auto end = std::to_chars(text.data(), text.data() + text.size(), v, format).ptr;
  out.append(text.data(), end);
}

/// True for bytes that stand for themselves in a JSON string, as Go writes it.
bool is_plain(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= 0x20 && byte < 0x80 && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&';
}

void append_escaped(std::string& out, std::string_view text) {
  while (!text.empty()) {
    std::size_t plain = 0;
    while (plain < text.size() && is_plain(text[plain])) ++plain;
    out.append(text.substr(0, plain));
    text.remove_prefix(plain);
    if (text.empty()) return;
    const char c = text.front();
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n' || c == '\r' || c == '\t') {
      out += c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t";
    } else if (static_cast<unsigned char>(c) < 0x80) {
      constexpr std::string_view kHex = "0123456789abcdef";
      out += "\\u00";
      out += kHex[static_cast<unsigned char>(c) >> 4];
      out += kHex[static_cast<unsigned char>(c) & 15];
    } else {
      std::size_t bytes = 0;
      const std::string_view from = text;
      const char32_t rune = take_rune(text, &bytes);
      if (rune == 0x2028 || rune == 0x2029) {
        out += rune == 0x2028 ? "\\u2028" : "\\u2029";
      } else if (rune == 0xfffd && bytes == 1) {
        out += "\\ufffd";
      } else {
        out.append(from.substr(0, bytes));
      }
      continue;
    }
    text.remove_prefix(1);
  }
}

}  // namespace

void append_value(std::string& out, double v) {
  if (std::isnan(v)) {
    out += "NaN";
  } else if (std::isinf(v)) {
    out += v > 0 ? "+Inf" : "-Inf";
  } else if (const double size = std::abs(v); size != 0 && (size < 1e-6 || size >= 1e21)) {
    append_float(out, v, std::chars_format::scientific);
  } else if (size < 1e15) {
    if (v == std::trunc(v) && !(size == 0 && std::signbit(v))) {
      append_integer(out, static_cast<std::int64_t>(v));
    } else {
      append_float(out, v, std::chars_format::fixed);
    }
  } else {
    append_large(out, v);
  }
}

std::string format_exponent(double v) {
  std::string out;
  if (std::isfinite(v)) {
    append_float(out, v, std::chars_format::scientific);
  } else {
    append_value(out, v);
  }
  return out;
}

JsonWriter& JsonWriter::open(char c) {
  comma();
  out_ += c;
  comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::close(char c) {
  out_ += c;
  comma_ = true;
  return *this;
}

JsonWriter& JsonWriter::key(std::string_view name) {
  string(name);
  out_ += ':';
  comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::string(std::string_view text) {
  comma();
  out_ += '"';
  append_escaped(out_, text);
  out_ += '"';
  return *this;
}

JsonWriter& JsonWriter::number(double v) {
  comma();
  const std::size_t from = out_.size();
  append_value(out_, v);
  // encoding/json writes e-09 as e-9.
  const std::size_t n = out_.size();
  if (n - from >= 4 && out_[n - 4] == 'e' && out_[n - 3] == '-' && out_[n - 2] == '0') out_.erase(n - 2, 1);
  return *this;
}

JsonWriter& JsonWriter::integer(std::int64_t v) {
  comma();
  append_integer(out_, v);
  return *this;
}

JsonWriter& JsonWriter::boolean(bool v) {
  return raw(v ? "true" : "false");
}

JsonWriter& JsonWriter::raw(std::string_view json) {
  comma();
  out_ += json;
  return *this;
}

JsonWriter& JsonWriter::labels(const Labels& labels) {
  open_object();
  for (const Label label : labels) key(label.name).string(label.value);
  return close_object();
}

JsonWriter& JsonWriter::timestamp(TimePoint t) {
  comma();
  std::int64_t ms = t.time_since_epoch().count();
  if (ms < 0) {
    out_ += '-';
    ms = -ms;
  }
  append_integer(out_, ms / 1000);
  if (const auto rest = static_cast<int>(ms % 1000); rest != 0) {
    const char digits[] = {'.', static_cast<char>('0' + rest / 100), static_cast<char>('0' + rest / 10 % 10),
                           static_cast<char>('0' + rest % 10)};
    out_.append(digits, sizeof digits);
  }
  return *this;
}

JsonWriter& JsonWriter::value(double v) {
  comma();
  out_ += '"';
  append_value(out_, v);
  out_ += '"';
  return *this;
}

JsonWriter& JsonWriter::sample(const Sample& sample) {
  open_array();
  timestamp(sample.t);
  value(sample.v);
  return close_array();
}

JsonWriter& JsonWriter::time(TimePoint t) {
  return t == TimePoint() ? raw("\"0001-01-01T00:00:00Z\"") : string(format_rfc3339(t));
}

JsonWriter& JsonWriter::strings(const std::vector<std::string>& all) {
  open_array();
  for (const std::string& one : all) string(one);
  return close_array();
}

}  // namespace tocsin::promapi
