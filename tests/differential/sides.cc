// Prometheus is asked over one connection that is kept open: starting a query there takes less than opening a
// connection would.

#include "tests/differential/sides.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "rules/promql/promql.h"
#include "tests/support/remote_write.h"

namespace tocsin::differential {
namespace {

using nlohmann::json;

/// Of so many points of time one request tells: small enough for the head of a TSDB that takes samples of the last hour
/// only, large enough to be few.
constexpr int kPointsPerRequest = 60;

std::string labels_text(const Labels& labels) {
  return labels.str();
}

std::string labels_text(const json& metric) {
  LabelList labels;
  for (const auto& [name, value] : metric.items()) labels.emplace_back(name, value.get<std::string>());
  return labels_text(Labels(labels));
}

Sample sample_of(const json& pair) {
  const std::string& text = pair.at(1).get_ref<const std::string&>();
  return {time_from_seconds(pair.at(0).get<double>()), std::strtod(text.c_str(), nullptr)};
}

Answer answer_of(const std::string& body) {
  Answer out;
  const json document = json::parse(body, nullptr, false);
  if (document.is_discarded()) return {.error = "no JSON: " + body.substr(0, 200), .type = "", .text = "", .rows = {}};
  if (document.value("status", "") != "success") {
    out.error = document.value("error", "no error either: " + body.substr(0, 200));
    return out;
  }
  const json& data = document.at("data");
  out.type = data.at("resultType").get<std::string>();
  const json& result = data.at("result");
  if (out.type == "string") {
    out.text = result.at(1).get<std::string>();
  } else if (out.type == "scalar") {
    out.rows.push_back({"", {sample_of(result)}});
  } else {
    for (const json& row : result) {
      AnswerRow& to = out.rows.emplace_back();
      to.labels = labels_text(row.at("metric"));
      if (row.contains("value")) to.samples.push_back(sample_of(row.at("value")));
      if (!row.contains("values")) continue;
      for (const json& pair : row.at("values")) to.samples.push_back(sample_of(pair));
    }
  }
  return out;
}

Answer answer_of(const Result<promql::QueryResult>& result) {
  Answer out;
  if (!result) {
    out.error = result.error().message;
    return out;
  }
  out.type = promql::to_string(result->type());
  if (const auto* scalar = std::get_if<promql::ScalarValue>(&result->value)) {
    out.rows.push_back({"", {scalar->sample}});
  } else if (const auto* text = std::get_if<promql::StringValue>(&result->value)) {
    out.text = text->text;
  } else if (const auto* vector = std::get_if<promql::Vector>(&result->value)) {
    for (const auto& element : *vector) out.rows.push_back({labels_text(element.labels), {element.sample}});
  } else {
    for (const auto& row : std::get<promql::Matrix>(result->value)) {
      out.rows.push_back({labels_text(row.labels), row.samples});
    }
  }
  return out;
}

std::string seconds(TimePoint t) {
  return fmt::format("{:.3f}", to_seconds(t));
}

std::vector<std::string> command_line(const test::TempDir& dir, std::uint16_t port) {
  std::ofstream(dir.path() + "/prometheus.yml") << "global: {evaluation_interval: 1m}\n";
  return {"prometheus",
          "--config.file=" + dir.path() + "/prometheus.yml",
          "--storage.tsdb.path=" + dir.path() + "/data",
          "--storage.tsdb.retention.time=100y",  // the samples are of 2023
          fmt::format("--web.listen-address=127.0.0.1:{}", port),
          "--web.enable-remote-write-receiver",
          "--log.level=warn"};
}

}  // namespace

struct PrometheusSide::Connection {
  Connection() : easy(curl_easy_init()) {
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &body);
    curl_easy_setopt(
        easy, CURLOPT_WRITEFUNCTION, +[](char* bytes, std::size_t size, std::size_t n, void* to) {
          static_cast<std::string*>(to)->append(bytes, size * n);
          return size * n;
        });
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_TIMEOUT, 60L);
  }
  ~Connection() {
    curl_slist_free_all(headers);
    curl_easy_cleanup(easy);
  }
  /// POSTs; the status, 0 when there was no answer. `body` is what came back.
  long post(const std::string& url, const std::string& what, const char* header) {
    body.clear();
    curl_slist_free_all(headers);
    headers = curl_slist_append(nullptr, header);
    headers = curl_slist_append(headers, "Expect:");
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(easy, CURLOPT_URL, url.c_str());
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(what.size()));
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, what.data());
    if (curl_easy_perform(easy) != CURLE_OK) return 0;
    long status = 0;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    return status;
  }
  std::string escaped(const std::string& text) const {
    char* const encoded = curl_easy_escape(easy, text.c_str(), static_cast<int>(text.size()));
    std::string out = encoded;
    curl_free(encoded);
    return out;
  }

  CURL* easy;
  curl_slist* headers = nullptr;
  std::string body;
};

PrometheusSide::PrometheusSide()
    : port_(test::free_port()),
      process_(command_line(dir_, port_), dir_.path() + "/log"),
      connection_(std::make_unique<Connection>()) {
  const bool ready = test::eventually([&] {
    int status = 0;
    test::http_get(port_, "/-/ready", &status);
    return status == 200;
  });
  if (!ready) throw std::runtime_error("prometheus does not start: " + process_.log());
}

PrometheusSide::~PrometheusSide() = default;

bool PrometheusSide::write(const std::vector<DemoSeries>& series) {
  const std::string url = fmt::format("http://127.0.0.1:{}/api/v1/write", port_);
  std::vector<std::size_t> done(series.size());
  for (int k = 0; k < kDataPoints; k += kPointsPerRequest) {
    const TimePoint until = kDataStart + (k + kPointsPerRequest) * kDataInterval;
    std::vector<test::WriteSeries> request;
    for (std::size_t i = 0; i < series.size(); ++i) {
      test::WriteSeries part{.labels = series[i].labels};
      const auto& samples = series[i].samples;
      while (done[i] < samples.size() && samples[done[i]].t < until) part.samples.push_back(samples[done[i]++]);
      if (!part.samples.empty()) request.push_back(std::move(part));
    }
    const std::string body = test::snappy_compress(test::encode_write_v1(request));
    if (connection_->post(url, body, "Content-Type: application/x-protobuf") != 204) return false;
  }
  return true;
}

Answer PrometheusSide::ask(const Question& question) {
  std::string form = "query=" + connection_->escaped(question.expr);
  const char* endpoint = "query";
  if (question.instant()) {
    form += "&time=" + seconds(question.start);
  } else {
    endpoint = "query_range";
    form += fmt::format("&start={}&end={}&step={:.3f}", seconds(question.start), seconds(question.end),
                        to_seconds(question.step));
  }
  const long status = connection_->post(fmt::format("http://127.0.0.1:{}/api/v1/{}", port_, endpoint), form,
                                        "Content-Type: application/x-www-form-urlencoded");
  if (status == 0) throw std::runtime_error("prometheus does not answer: " + question.str());
  return answer_of(connection_->body);
}

OurSide::OurSide() : store_({.retention = std::chrono::hours(24)}) {}

void OurSide::write(const std::vector<DemoSeries>& series) {
  for (const DemoSeries& one : series) {
    const Result<SeriesRef> ref = store_.ref(Labels(one.labels));
    for (const Sample& sample : one.samples) {
      if (store_.append(*ref, sample.t, sample.v) != AppendResult::kAppended) throw std::logic_error("not appended");
    }
  }
}

Answer OurSide::ask(const Question& question) const {
  const auto expr = promql::parse(question.expr);
  if (!expr) return {.error = expr.error().str(), .type = "", .text = "", .rows = {}};
  promql::Query query(*expr);
  if (question.instant()) return answer_of(query.instant(store_, question.start));
  return answer_of(query.range(store_, question.start, question.end, question.step));
}

}  // namespace tocsin::differential
