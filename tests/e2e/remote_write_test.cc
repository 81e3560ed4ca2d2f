// Samples pushed at the binary, as a Prometheus or a collector pushes them.

#include <curl/curl.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <optional>

#include "tests/support/process.h"
#include "tests/support/remote_write.h"
#include "tests/support/temp_dir.h"

namespace tocsin::test {
namespace {

struct Reply {
  long status = 0;
  std::string body;
  std::string headers;
};

Reply post(const std::string& url, const std::string& body, const std::vector<std::string>& headers) {
  Reply reply;
  const std::unique_ptr<CURL, void (*)(CURL*)> easy(curl_easy_init(), curl_easy_cleanup);
  curl_slist* list = curl_slist_append(nullptr, "Expect:");
  for (const std::string& header : headers) list = curl_slist_append(list, header.c_str());
  const auto take = +[](char* bytes, std::size_t size, std::size_t n, void* to) {
    static_cast<std::string*>(to)->append(bytes, size * n);
    return size * n;
  };
  curl_easy_setopt(easy.get(), CURLOPT_URL, url.c_str());
  curl_easy_setopt(easy.get(), CURLOPT_PROXY, "");
  curl_easy_setopt(easy.get(), CURLOPT_TIMEOUT, 30L);
  curl_easy_setopt(easy.get(), CURLOPT_HTTPHEADER, list);
  curl_easy_setopt(easy.get(), CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
  curl_easy_setopt(easy.get(), CURLOPT_POSTFIELDS, body.data());
  curl_easy_setopt(easy.get(), CURLOPT_WRITEFUNCTION, take);
  curl_easy_setopt(easy.get(), CURLOPT_WRITEDATA, &reply.body);
  curl_easy_setopt(easy.get(), CURLOPT_HEADERFUNCTION, take);
  curl_easy_setopt(easy.get(), CURLOPT_HEADERDATA, &reply.headers);
  if (curl_easy_perform(easy.get()) == CURLE_OK) curl_easy_getinfo(easy.get(), CURLINFO_RESPONSE_CODE, &reply.status);
  curl_slist_free_all(list);
  return reply;
}

constexpr const char* kV1 = "Content-Type: application/x-protobuf";
constexpr const char* kV2 = "Content-Type: application/x-protobuf;proto=io.prometheus.write.v2.Request";

class RemoteWrite : public testing::Test {
 protected:
  void start(const std::string& more) {
    const std::string config =
        dir_.write("tocsin.toml", more + "\n[server]\nlisten = \"127.0.0.1:" + std::to_string(port_) +
                                      "\"\n[storage]\ndirectory = \"" + dir_.path("state") + "\"\n");
    agent_.emplace(std::vector<std::string>{tocsin_binary(), "run", "-c", config}, dir_.path("tocsin.log"));
    ASSERT_TRUE(eventually([this] {
      int code = 0;
      http_get(port_, "/-/ready", &code);
      return code == 200;
    })) << agent_->log();
  }
  Reply send(const std::string& message, const char* type, const char* encoding = "Content-Encoding: snappy") {
    return post("http://127.0.0.1:" + std::to_string(port_) + "/api/v1/write", snappy_compress(message),
                {type, encoding});
  }
  std::string metrics() const { return http_get(port_, "/metrics"); }

  static WriteSeries series(const std::string& name, std::vector<double> values) {
    WriteSeries out{.labels = {{"__name__", name}, {"job", "pushed"}}};
    TimePoint t = std::chrono::floor<Duration>(std::chrono::system_clock::now()) - std::chrono::minutes(1);
    for (const double v : values) out.samples.push_back({t += std::chrono::seconds(1), v});
    return out;
  }

  TempDir dir_;
  std::uint16_t port_ = free_port();
  std::optional<Process> agent_;
};

TEST_F(RemoteWrite, IsOffUnlessTheConfigurationWantsIt) {
  start("");
  const Reply reply = send(encode_write_v1({series("up", {1})}), kV1);
  EXPECT_EQ(reply.status, 404);
  EXPECT_EQ(reply.body, "remote write receiver needs to be enabled with remote_write_receiver.enabled = true\n");
}

TEST_F(RemoteWrite, TakesBothVersionsAndSaysWhatItLeftOut) {
  // An alert on what is pushed shows that the samples are there for rules.
  start(
      "evaluation_interval = \"200ms\"\n[remote_write_receiver]\nenabled = true\ndecoded_bytes_max = 4000000\n"
      "[[group]]\nname = \"pushed\"\n[[group.rule]]\nalert = \"Pushed\"\n"
      "expr = 'sum({__name__=~\"first|second\",job=\"pushed\"}) == 42'\n");

  EXPECT_EQ(send(encode_write_v1({series("first", {1, 2})}), kV1).status, 204);
  WriteSeries second = series("second", {7, 40});
  second.histograms = 1;
  second.exemplars = 2;
  const Reply v2 = send(encode_write_v2({second}), kV2);
  EXPECT_EQ(v2.status, 204) << v2.body;
  EXPECT_NE(v2.headers.find("X-Prometheus-Remote-Write-Samples-Written: 2\r\n"), std::string::npos) << v2.headers;
  EXPECT_NE(v2.headers.find("X-Prometheus-Remote-Write-Histograms-Written: 0\r\n"), std::string::npos);
  EXPECT_NE(v2.headers.find("X-Prometheus-Remote-Write-Exemplars-Written: 0\r\n"), std::string::npos);
  EXPECT_TRUE(eventually([this] {
    return http_get(port_, "/api/tocsin/v1/status").find("\"Pushed\"") != std::string::npos;
  })) << http_get(port_, "/api/tocsin/v1/status");

  const Reply partly = send(
      encode_write_v2({{.labels = {{"job", "pushed"}}, .samples = {{TimePoint(), 1}}}, series("third", {5})}), kV2);
  EXPECT_EQ(partly.status, 400);
  EXPECT_EQ(partly.body, "the series has no metric name: {job=\"pushed\"}\n");
  EXPECT_NE(partly.headers.find("X-Prometheus-Remote-Write-Samples-Written: 1\r\n"), std::string::npos);

  EXPECT_EQ(send("garbage", kV1).status, 400);
  EXPECT_EQ(send("", "Content-Type: application/json").status, 415);
  EXPECT_EQ(send("", kV1, "Content-Encoding: gzip").status, 415);
  EXPECT_EQ(send(std::string(4'000'001, '\0'), kV1).status, 413);
  std::vector<double> many(50'000, 1.5);
  EXPECT_EQ(send(encode_write_v1({series("many", many)}), kV1).status, 400);  // they reach far into the future

  const std::string text = metrics();
  for (const char* line :
       {"tocsin_remote_write_requests_refused_total 3\n", "tocsin_remote_write_histograms_skipped_total 1\n",
        "tocsin_remote_write_exemplars_skipped_total 2\n",
        "tocsin_remote_write_samples_rejected_total{reason=\"labels\"} 1\n"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << text;
  }
  EXPECT_NE(agent_->log().find("1 samples of native histograms in a request, which are not kept"), std::string::npos)
      << agent_->log();
  EXPECT_EQ(agent_->stop(), 0) << agent_->log();
}

}  // namespace
}  // namespace tocsin::test
