#pragma once

#include <string>
#include <string_view>

#include "agent/core/config/fields.h"

namespace tocsin {

/// The content codings of HTTP; kNone means that nothing is asked for, kIdentity that it is asked for as it is.
enum class Compression { kNone, kIdentity, kGzip, kDeflate, kBrotli };
template <>
struct EnumNames<Compression> {
  static constexpr EnumName<Compression> kNames[] = {{Compression::kNone, ""},
                                                     {Compression::kIdentity, "identity"},
                                                     {Compression::kGzip, "gzip"},
                                                     {Compression::kDeflate, "deflate"},
                                                     {Compression::kBrotli, "br"}};
};

struct Decompressed {
  std::string bytes;  // also what could be read before an error
  /// More than the limit would have come out.
  bool too_large = false;
  std::string error;  // for a person
  bool ok() const { return error.empty(); }
};

/// Decodes a whole body, to at most `bytes_max`. gzip may have several members; deflate is taken with and without
/// zlib's frame, since servers send both. A body that ends early is an error.
Decompressed decompress(Compression compression, std::string_view body, std::size_t bytes_max);

/// RFC 1952, packed for speed.
std::string gzip_compress(std::string_view text);
/// HTTP's deflate, in zlib's frame (RFC 1950).
std::string deflate_compress(std::string_view text);

/// Snappy's block format, as remote write uses it: a length, then one block, no frames.
Decompressed snappy_decompress(std::string_view body, std::size_t bytes_max);

}  // namespace tocsin
