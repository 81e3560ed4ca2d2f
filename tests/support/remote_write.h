#pragma once

#include <map>
#include <string>
#include <vector>

#include "agent/core/labels.h"
#include "agent/core/sample.h"

/// The sending side of remote write, as a sender would write it.
namespace tocsin::test {

struct WriteSeries {
  LabelList labels;  // as they are: any order, twice, empty
  std::vector<Sample> samples = {};
  int histograms = 0;  // so many native histograms and exemplars, of no content
  int exemplars = 0;
  int type = 0;  // v2's metadata, when help is given
  std::string help = {};
};

struct WriteMetadata {
  int type = 0;
  std::string family;
  std::string help;
};

/// prometheus.WriteRequest, not compressed.
std::string encode_write_v1(const std::vector<WriteSeries>& series, const std::vector<WriteMetadata>& metadata = {});
/// io.prometheus.write.v2.Request, not compressed. `symbols_last`: the table behind the series, which protobuf allows.
std::string encode_write_v2(const std::vector<WriteSeries>& series, bool symbols_last = false);
std::string snappy_compress(const std::string& bytes);

}  // namespace tocsin::test
