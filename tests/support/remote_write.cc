#include "tests/support/remote_write.h"

#include <snappy.h>

#include <protozero/pbf_writer.hpp>

namespace tocsin::test {
namespace {

using protozero::pbf_writer;

void add_sample(pbf_writer& series, const Sample& sample) {
  pbf_writer out(series, 2);
  out.add_double(1, sample.v);
  out.add_int64(2, sample.t.time_since_epoch().count());
}

void add_empty(pbf_writer& series, std::uint32_t field, int times) {
  for (int i = 0; i < times; ++i) series.add_message(field, std::string());
}

}  // namespace

std::string encode_write_v1(const std::vector<WriteSeries>& series, const std::vector<WriteMetadata>& metadata) {
  std::string bytes;
  pbf_writer request(bytes);
  for (const WriteSeries& one : series) {
    pbf_writer out(request, 1);
    for (const auto& [name, value] : one.labels) {
      pbf_writer label(out, 1);
      label.add_string(1, name);
      label.add_string(2, value);
    }
    for (const Sample& sample : one.samples) add_sample(out, sample);
    add_empty(out, 3, one.exemplars);
    add_empty(out, 4, one.histograms);
  }
  for (const WriteMetadata& one : metadata) {
    pbf_writer out(request, 3);
    out.add_enum(1, one.type);
    out.add_string(2, one.family);
    out.add_string(4, one.help);
  }
  return bytes;
}

std::string encode_write_v2(const std::vector<WriteSeries>& series, bool symbols_last) {
  std::vector<std::string> symbols{""};
  std::map<std::string, std::uint32_t> numbers{{"", 0}};
  const auto number = [&](const std::string& text) {
    const auto [place, added] = numbers.try_emplace(text, static_cast<std::uint32_t>(symbols.size()));
    if (added) symbols.push_back(text);
    return place->second;
  };
  std::string body, table;
  pbf_writer request(body);
  for (const WriteSeries& one : series) {
    pbf_writer out(request, 5);
    std::vector<std::uint32_t> refs;
    for (const auto& [name, value] : one.labels) {
      refs.push_back(number(name));
      refs.push_back(number(value));
    }
    out.add_packed_uint32(1, refs.begin(), refs.end());
    for (const Sample& sample : one.samples) add_sample(out, sample);
    add_empty(out, 3, one.histograms);
    add_empty(out, 4, one.exemplars);
    if (one.help.empty()) continue;
    pbf_writer metadata(out, 5);
    metadata.add_enum(1, one.type);
    metadata.add_uint32(3, number(one.help));
  }
  pbf_writer head(table);
  for (const std::string& symbol : symbols) head.add_string(4, symbol);
  return symbols_last ? body + table : table + body;
}

std::string snappy_compress(const std::string& bytes) {
  std::string out;
  snappy::Compress(bytes.data(), bytes.size(), &out);
  return out;
}

}  // namespace tocsin::test
