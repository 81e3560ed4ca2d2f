#include "agent/net/compression.h"

#include <gtest/gtest.h>
#include <zlib.h>

namespace tocsin {
namespace {

/// `window_bits` as zlib has it: 15+16 gzip, 15 zlib, -15 raw.
std::string deflated(std::string text, int window_bits) {
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, 9, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(text.size() + 128, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(text.data());
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

constexpr int kGzip = 15 + 16;
constexpr int kZlib = 15;
constexpr int kRaw = -15;
/// "hello" as `brotli` writes it.
const std::string kBrotliHello("\x0b\x02\x80hello\x03", 9);

TEST(Decompress, ReadsEachCoding) {
  const std::string text = "hello";
  EXPECT_EQ(decompress(Compression::kGzip, deflated(text, kGzip), 100).bytes, text);
  EXPECT_EQ(decompress(Compression::kDeflate, deflated(text, kZlib), 100).bytes, text);
  EXPECT_EQ(decompress(Compression::kDeflate, deflated(text, kRaw), 100).bytes, text);
  EXPECT_EQ(decompress(Compression::kBrotli, kBrotliHello, 100).bytes, text);
  EXPECT_EQ(decompress(Compression::kIdentity, text, 100).bytes, text);
}

TEST(Decompress, ReadsSeveralMembersOfGzip) {
  EXPECT_EQ(decompress(Compression::kGzip, deflated("a", kGzip) + deflated("b", kGzip), 100).bytes, "ab");
}

TEST(Decompress, StopsAtTheLimit) {
  const std::string bomb = deflated(std::string(10 << 20, 'x'), kGzip);
  const Decompressed out = decompress(Compression::kGzip, bomb, 1000);
  EXPECT_TRUE(out.too_large);
  EXPECT_FALSE(out.ok());
  EXPECT_EQ(out.bytes.size(), 1000U);
  EXPECT_FALSE(decompress(Compression::kGzip, deflated(std::string(1000, 'x'), kGzip), 1000).too_large);
  EXPECT_TRUE(decompress(Compression::kIdentity, "12345", 4).too_large);
}

TEST(Decompress, RefusesGarbageAndWhatEndsEarly) {
  const std::string good = deflated(std::string(1000, 'x'), kGzip);
  for (const auto coding : {Compression::kGzip, Compression::kDeflate, Compression::kBrotli}) {
    EXPECT_FALSE(decompress(coding, "this is not compressed at all", 1000).ok());
    EXPECT_FALSE(decompress(coding, "", 1000).ok());
  }
  EXPECT_FALSE(decompress(Compression::kGzip, good.substr(0, good.size() / 2), 10000).ok());
  EXPECT_FALSE(decompress(Compression::kBrotli, kBrotliHello.substr(0, 5), 10000).ok());
}

}  // namespace
}  // namespace tocsin
