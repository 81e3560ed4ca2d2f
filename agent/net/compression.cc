#include "agent/net/compression.h"

#include <brotli/decode.h>
#include <snappy.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <memory>
#include <new>

namespace tocsin {
namespace {

constexpr std::size_t kChunk = 16U << 10;

/// Adds a piece; false when that would be more than the limit.
bool append(Decompressed& out, const void* piece, std::size_t size, std::size_t bytes_max) {
  const std::size_t room = bytes_max - out.bytes.size();
  out.bytes.append(static_cast<const char*>(piece), std::min(size, room));
  if (size <= room) return true;
  out.too_large = true;
  out.error = fmt::format("the body is larger than {} bytes", bytes_max);
  return false;
}

Decompressed failed(Decompressed out, std::string_view coding, const char* why) {
  out.error = fmt::format("the body is no good {}: {}", coding, why == nullptr ? "it ends early" : why);
  return out;
}

/// `window_bits` as zlib's inflateInit2 has it: 15+16 gzip, 15 zlib, -15 raw.
Decompressed inflate_all(std::string_view body, int window_bits, std::string_view coding, std::size_t bytes_max) {
  Decompressed out;
  z_stream stream{};
  if (inflateInit2(&stream, window_bits) != Z_OK) return failed(std::move(out), coding, "zlib has no memory");
  const std::unique_ptr<z_stream, int (*)(z_stream*)> end(&stream, inflateEnd);
  std::array<Bytef, kChunk> chunk;
  // zlib does not write to its input, but asks for a pointer that could.
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(body.data()));
  stream.avail_in = static_cast<uInt>(body.size());
  for (;;) {
    stream.next_out = chunk.data();
    stream.avail_out = static_cast<uInt>(chunk.size());
    const int status = inflate(&stream, Z_NO_FLUSH);
    if (status != Z_OK && status != Z_STREAM_END) {
      return failed(std::move(out), coding, status == Z_BUF_ERROR ? nullptr : stream.msg);
    }
    if (!append(out, chunk.data(), chunk.size() - stream.avail_out, bytes_max)) return out;
    if (status != Z_STREAM_END) continue;
    const bool another_member = window_bits > 15 && stream.avail_in > 0;
    if (!another_member) return out;
    inflateReset(&stream);
  }
}

bool has_zlib_frame(std::string_view body) {
  if (body.size() < 2) return false;
  const auto first = static_cast<unsigned char>(body[0]);
  const auto second = static_cast<unsigned char>(body[1]);
  return (first & 0x0f) == 8 && (first * 256 + second) % 31 == 0;
}

Decompressed brotli_all(std::string_view body, std::size_t bytes_max) {
  Decompressed out;
  const std::unique_ptr<BrotliDecoderState, void (*)(BrotliDecoderState*)> state(
      BrotliDecoderCreateInstance(nullptr, nullptr, nullptr), BrotliDecoderDestroyInstance);
  const auto* in = reinterpret_cast<const std::uint8_t*>(body.data());
  std::size_t in_left = body.size();
  std::array<std::uint8_t, kChunk> chunk;
  for (;;) {
    std::uint8_t* to = chunk.data();
    std::size_t to_left = chunk.size();
    const auto status = BrotliDecoderDecompressStream(state.get(), &in_left, &in, &to_left, &to, nullptr);
    if (status == BROTLI_DECODER_RESULT_ERROR) {
      return failed(std::move(out), "br", BrotliDecoderErrorString(BrotliDecoderGetErrorCode(state.get())));
    }
    if (!append(out, chunk.data(), chunk.size() - to_left, bytes_max)) return out;
    if (status == BROTLI_DECODER_RESULT_SUCCESS) return out;
    if (status == BROTLI_DECODER_RESULT_NEEDS_MORE_INPUT) return failed(std::move(out), "br", nullptr);
  }
}

}  // namespace

Decompressed decompress(Compression compression, std::string_view body, std::size_t bytes_max) {
  constexpr int kRaw = -15;
  constexpr int kZlib = 15;
  constexpr int kGzip = 15 + 16;
  switch (compression) {
    case Compression::kGzip:
      return inflate_all(body, kGzip, "gzip", bytes_max);
    case Compression::kDeflate: {
      if (has_zlib_frame(body)) {
        Decompressed framed = inflate_all(body, kZlib, "deflate", bytes_max);
        if (framed.ok() || framed.too_large) return framed;
      }
      return inflate_all(body, kRaw, "deflate", bytes_max);
    }
    case Compression::kBrotli:
      return brotli_all(body, bytes_max);
    case Compression::kNone:
    case Compression::kIdentity:
      break;
  }
  Decompressed out;
  append(out, body.data(), body.size(), bytes_max);
  return out;
}

namespace {

std::string compress(std::string_view text, int window_and_frame) {
  const auto bytes_of = [](std::string_view bytes) {
    return reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));  // zlib's API is older than const
  };
  z_stream stream{};
  // Level 1: the answers are made anew for each request, and metrics shrink tenfold at any level.
  if (deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, window_and_frame, 8, Z_DEFAULT_STRATEGY) != Z_OK)
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

constexpr int kWindow = 15;  // 32 KiB (zlib.h)
constexpr int kGzipFrame = 16;

}  // namespace

std::string gzip_compress(std::string_view text) {
  return compress(text, kWindow + kGzipFrame);
}
std::string deflate_compress(std::string_view text) {
  return compress(text, kWindow);
}

Decompressed snappy_decompress(std::string_view body, std::size_t bytes_max) {
  Decompressed out;
  std::size_t length = 0;
  if (!snappy::GetUncompressedLength(body.data(), body.size(), &length)) {
    out.error = "the body is no good snappy: it does not begin with a length";
    return out;
  }
  if (length > bytes_max) {  // told apart before a byte is taken for it
    out.too_large = true;
    out.error = fmt::format("the body has {} bytes when decompressed, {} are allowed", length, bytes_max);
    return out;
  }
  out.bytes.resize(length);
  if (!snappy::RawUncompress(body.data(), body.size(), out.bytes.data())) {
    out.bytes.clear();
    out.error = "the body is no good snappy";
  }
  return out;
}

}  // namespace tocsin
