// Prometheus keeps labels as one string (model/labels, labels_stringlabels.go) and hashes that. A length below 255 is
// one byte; a longer one is the byte 255 and three more, the least significant one first.

#define XXH_INLINE_ALL
#include "rules/promql/series_hash.h"

#include <xxhash.h>

#include <string>

namespace tocsin::promql {
namespace {

void append(std::string& out, std::string_view text) {
  const std::size_t n = text.size();
  if (n < 255) {
    out += static_cast<char>(n);
  } else {
    out += '\xff';
    for (int shift = 0; shift < 24; shift += 8) out += static_cast<char>(n >> shift & 0xFF);
  }
  out += text;
}

}  // namespace

std::uint64_t prometheus_hash(const Labels& labels) {
  std::string bytes;
  for (const Label& label : labels) {
    append(bytes, label.name);
    append(bytes, label.value);
  }
  return XXH64(bytes.data(), bytes.size(), 0);
}

}  // namespace tocsin::promql
