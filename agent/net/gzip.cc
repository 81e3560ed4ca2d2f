#include "agent/net/gzip.h"

#include <zlib.h>

#include <new>

namespace tocsin {

namespace {

constexpr int kGzipWindow = 15 + 16;  // 32 KiB, gzip's framing (zlib.h)

Bytef* bytes_of(std::string_view text) {
  return reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));  // zlib's API is older than const
}

}  // namespace

std::string gzip_compress(std::string_view text) {
  z_stream stream{};
  // Level 1: the answers are made anew for each request, and metrics shrink tenfold at any level.
  if (deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, kGzipWindow, 8, Z_DEFAULT_STRATEGY) != Z_OK)
    throw std::bad_alloc();
  std::string out(deflateBound(&stream, text.size()), '\0');
  stream.next_in = bytes_of(text);
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = bytes_of(out);
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

Result<std::string> gzip_decompress(std::string_view packed, std::size_t bytes_max) {
  z_stream stream{};
  if (inflateInit2(&stream, kGzipWindow) != Z_OK) throw std::bad_alloc();
  stream.next_in = bytes_of(packed);
  stream.avail_in = static_cast<uInt>(packed.size());
  std::string out;
  int state = Z_OK;
  while (state == Z_OK && out.size() <= bytes_max) {
    constexpr std::size_t kStep = 64U << 10;
    out.resize(stream.total_out + kStep);
    stream.next_out = bytes_of(out) + stream.total_out;
    stream.avail_out = static_cast<uInt>(kStep);
    state = inflate(&stream, Z_NO_FLUSH);
    out.resize(stream.total_out);
  }
  inflateEnd(&stream);
  if (out.size() > bytes_max) return fail("more than {} bytes when unpacked", bytes_max);
  if (state == Z_BUF_ERROR) return fail("the gzip stream is cut off");
  if (state != Z_STREAM_END) return fail("not a gzip stream");
  return out;
}

}  // namespace tocsin
