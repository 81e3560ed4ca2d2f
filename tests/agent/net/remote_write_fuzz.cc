// Whatever somebody posts as remote write is read within its limits or refused, and no series both has a problem and is
// to be kept.

#include "agent/net/remote_write.h"
#include "tests/fuzz/fuzz.h"

void tocsin::test::fuzz_remote_write(Bytes bytes) {
  if (bytes.empty()) return;
  const auto version = (bytes[0] & 1) == 0 ? RemoteWriteVersion::kV1 : RemoteWriteVersion::kV2;
  constexpr RemoteWriteLimits kLimits{
      .labels = 8, .label_name_bytes = 32, .label_value_bytes = 64, .samples = 100, .symbols = 100};
  const auto request = decode_remote_write(as_text(bytes.subspan(1)), version, kLimits);
  if (!request) return require(!request.error().message.empty());
  std::size_t samples = 0;
  for (const RemoteWriteSeries& series : request->series) {
    samples += series.samples.size();
    require(series.problem.empty() || series.labels.size() == 0);
    require(series.labels.size() <= kLimits.labels);
  }
  require(samples <= kLimits.samples);
}
