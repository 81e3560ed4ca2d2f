// The scrape probe: a Prometheus or OpenMetrics endpoint becomes samples, with Prometheus' keys and rules. An
// exposition is taken whole or not at all: one mistake, one sample too many, and the scrape has failed.
//
// A series is written the same way in every scrape, so its Labels are kept under its text: a scrape of an endpoint seen
// before builds none, and whoever takes the samples can know a series by its block.

#include <boost/asio/awaitable.hpp>
#include <unordered_map>

#include "agent/core/clock.h"
#include "agent/core/url.h"
#include "agent/net/http_client.h"
#include "probes/exposition.h"
#include "probes/http_checks.h"
#include "probes/http_config.h"
#include "probes/http_hops.h"
#include "probes/registry.h"
#include "probes/target.h"
#include "probes/url.h"

namespace tocsin {

enum class ScrapeProtocol { kNone, kText004, kText100, kOpenMetrics001, kOpenMetrics100 };
template <>
struct EnumNames<ScrapeProtocol> {
  static constexpr EnumName<ScrapeProtocol> kNames[] = {{ScrapeProtocol::kNone, ""},
                                                        {ScrapeProtocol::kText004, "PrometheusText0.0.4"},
                                                        {ScrapeProtocol::kText100, "PrometheusText1.0.0"},
                                                        {ScrapeProtocol::kOpenMetrics001, "OpenMetricsText0.0.1"},
                                                        {ScrapeProtocol::kOpenMetrics100, "OpenMetricsText1.0.0"}};
};

enum class ScrapeScheme { kHttp, kHttps };
template <>
struct EnumNames<ScrapeScheme> {
  static constexpr EnumName<ScrapeScheme> kNames[] = {{ScrapeScheme::kHttp, "http"}, {ScrapeScheme::kHttps, "https"}};
};

namespace {

namespace asio = boost::asio;

/// What Prometheus 3 sends with its default scrape_protocols, without protobuf.
constexpr const char* kAccept =
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
    "application/openmetrics-text;version=0.0.1;q=0.4,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,"
    "text/plain;version=0.0.4;q=0.2,"
    "*/*;q=0.1";
constexpr const char* kSamplesScraped = "scrape_samples_scraped";

struct ScrapeConfig {
  ScrapeScheme scheme = ScrapeScheme::kHttp;
  std::string metrics_path = "/metrics";
  std::map<std::string, std::vector<std::string>> params;
  bool honor_labels = false;
  bool honor_timestamps = true;
  ScrapeProtocol fallback_scrape_protocol = ScrapeProtocol::kNone;
  std::size_t sample_limit = 50000;
  ExpositionLimits limits{.labels = 128, .label_name_bytes = 1024, .label_value_bytes = 16U << 10};
  HttpProbeConfig http;

  ScrapeConfig() { http.body_size_limit.bytes = 64U << 20; }
  void fields(Fields& f);
};

void ScrapeConfig::fields(Fields& f) {
  const auto absolute = [](const std::string& path) { return path.starts_with('/'); };
  const auto some = [](std::size_t limit) { return limit > 0; };
  f("scheme", scheme, "How a target that is only host:port is asked.");
  f("metrics_path", metrics_path, "The path of such a target.").check(absolute, "must begin with /");
  f("params", params, "Parameters added to the URL.");
  f("honor_labels", honor_labels,
    "Where a label of a sample and one of the target have the same name, keep the sample's; otherwise it becomes "
    "exported_<name>.");
  f("honor_timestamps", honor_timestamps, "Take the timestamps that samples come with.");
  f("fallback_scrape_protocol", fallback_scrape_protocol,
    "How to read an answer without a Content-Type, or with one that is not of an exposition; not at all when not "
    "given.");
  f("sample_limit", sample_limit, "The most samples one scrape may bring; more fails it.")
      .check(some, "must be at least 1");
  f("label_limit", limits.labels, "The most labels a sample may have, its name counted; more fails the scrape.")
      .check(some, "must be at least 1");
  f("label_name_length_limit", limits.label_name_bytes, "The most bytes a label's name may have.")
      .check(some, "must be at least 1");
  f("label_value_length_limit", limits.label_value_bytes, "The most bytes a label's value may have.")
      .check(some, "must be at least 1");
  f("body_size_limit", http.body_size_limit, "The most bytes an answer may have, decoded; more fails the scrape.")
      .check([](const ByteSize& size) { return size.bytes >= 1 && size.bytes <= (1U << 30); },
             "must be 1 byte to 1GiB");
  f("headers", http.headers, "Headers of the request.");
  f("http_headers", http.http_headers, "Headers with several values, or with secret ones.");
  f("basic_auth", http.basic_auth, "Log on with user and password.");
  f("authorization", http.authorization, "Send an Authorization header.");
  f("bearer_token", http.bearer_token, "Short for authorization with the type Bearer.");
  f("follow_redirects", http.follow_redirects, "Go where the answer sends us, at most 10 times.");
  f("enable_http2", http.enable_http2, "Offer HTTP/2 where there is TLS.");
  f("proxy_url", http.proxy_url, "A proxy to ask through.");
  f("tls_config", http.tls_config, "How TLS is spoken.");

  if (!f.reading()) return;
  const int logons =
      int{http.basic_auth.has_value()} + int{http.authorization.has_value()} + int{!http.bearer_token.empty()};
  if (logons > 1) f.mistake("Only one of \"basic_auth\", \"authorization\" and \"bearer_token\" can be set.");
  if (const auto error = check_tls_files(http.tls_config)) f.mistake_at("tls_config", error->message + ".");
}

Result<Url> scrape_url(const ScrapeConfig& config, const std::string& address) {
  const bool whole = address.find("://") != std::string::npos;
  const std::string_view scheme = config.scheme == ScrapeScheme::kHttps ? "https" : "http";
  Result<Url> url = Url::parse(whole ? address : fmt::format("{}://{}{}", scheme, address, config.metrics_path));
  if (!url) return url;
  for (const auto& [name, values] : config.params) {
    for (const std::string& value : values) {
      url->query += fmt::format("{}{}={}", url->query.empty() ? '?' : '&', percent_encode(name), percent_encode(value));
    }
  }
  return url;
}

/// By the answer's media type, as Prometheus 3 decides.
std::optional<ExpositionFormat> format_of(std::string_view content_type, ScrapeProtocol fallback) {
  std::string type(content_type.substr(0, content_type.find(';')));
  while (type.ends_with(' ')) type.pop_back();
  if (equal_in_any_case(type, "application/openmetrics-text")) return ExpositionFormat::kOpenMetrics;
  if (equal_in_any_case(type, "text/plain")) return ExpositionFormat::kText;
  switch (fallback) {
    case ScrapeProtocol::kNone:
      return std::nullopt;
    case ScrapeProtocol::kOpenMetrics001:
    case ScrapeProtocol::kOpenMetrics100:
      return ExpositionFormat::kOpenMetrics;
    default:
      return ExpositionFormat::kText;
  }
}

/// The labels of the series that an endpoint gave lately.
class SeriesCache {
 public:
  /// Labels of the parser's current series.
  Result<Labels> labels(ExpositionParser& parser) {
    const char bound = parser.type() == "histogram" ? 'h' : parser.type() == "summary" ? 's' : ' ';
    const auto known = series_.find(parser.series());
    if (known != series_.end() && known->second.bound == bound) {
      known->second.run = run_;
      return known->second.labels;
    }
    Result<Labels> labels = parser.labels();
    if (labels) series_.insert_or_assign(std::string(parser.series()), Known{*labels, run_, bound});
    return labels;
  }

  /// Ends a run: forgets what was last seen before it, once that is much.
  void sweep(std::size_t seen) {
    if (series_.size() > seen + seen / 4 + 16) {
      std::erase_if(series_, [this](const auto& entry) { return entry.second.run != run_; });
    }
    ++run_;
  }

 private:
  struct Known {
    Labels labels;
    std::uint64_t run = 0;
    char bound = ' ';  // which label was taken for a bound
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  std::unordered_map<std::string, Known, Hash, std::equal_to<>> series_;
  std::uint64_t run_ = 0;
};

class ScrapeProbe final : public Probe {
 public:
  ScrapeProbe(ScrapeConfig config, Url url, ProbeServices& services)
      : config_(std::move(config)), url_(std::move(url)), services_(services) {}

  asio::awaitable<ProbeResult> run(Deadline deadline) override {
    ProbeResult result;
    auto fetching = fetch(deadline, result);
    const std::optional<HttpResponse> answer = co_await std::move(fetching);
    std::size_t samples = 0;
    if (answer) samples = read(*answer, result);
    if (!result.success) result.samples.clear();
    result.add(kSamplesScraped, static_cast<double>(samples));
    co_return result;
  }

 private:
  /// The last answer, or nothing when `result` has failed.
  asio::awaitable<std::optional<HttpResponse>> fetch(Deadline deadline, ProbeResult& result) {
    Result<HttpHeaders> headers = http_request_headers(config_.http);
    if (!headers) {
      result.fail("internal", detail_text(headers.error().message));
      co_return std::nullopt;
    }
    const std::chrono::duration<double> left = deadline - services_.clock.steady();
    headers->emplace_back("Accept", kAccept);
    headers->emplace_back("Accept-Encoding", "gzip");
    headers->emplace_back("X-Prometheus-Scrape-Timeout-Seconds", fmt::format("{:.6g}", std::max(0.0, left.count())));
    HttpHops hops(config_.http, url_, std::move(*headers), "");
    while (true) {
      const Result<std::string> proxy = config_.http.proxy_url.reveal();
      if (!proxy) {
        result.fail("internal", detail_text(proxy.error().message));
        co_return std::nullopt;
      }
      HttpRequest request = hops.request();
      request.proxy_url = *proxy;
      request.decompress = true;
      request.reuse_connection = true;
      request.want_tls_info = false;
      auto exchange = services_.http.fetch(std::move(request), deadline);
      HttpResponse answer = co_await std::move(exchange);
      if (!answer.ok()) {
        result.fail(cause_of(answer.failure), detail_text(fmt::format("{}: {}", hops.url().display(), answer.error)));
        co_return std::nullopt;
      }
      switch (hops.take(answer, services_.clock.now())) {
        case HttpHops::Next::kFollow:
          continue;
        case HttpHops::Next::kBadRedirect:
          result.fail("protocol",
                      detail_text(fmt::format("{} redirects nowhere: {}", hops.url().display(), hops.bad_location())));
          co_return std::nullopt;
        default:
          co_return std::move(answer);
      }
    }
  }

  /// Reads the answer into `result`; returns how many samples it had, also when they are not taken.
  std::size_t read(const HttpResponse& answer, ProbeResult& result) {
    if (answer.status != 200) {
      result.fail("status", fmt::format("{} answered with HTTP status {}", url_.display(), answer.status));
      return 0;
    }
    const std::string_view content_type = header(answer.headers, "content-type");
    const auto format = format_of(content_type, config_.fallback_scrape_protocol);
    if (!format) {
      result.fail("protocol",
                  detail_text(fmt::format("{} answered with Content-Type {}, which is not an exposition's (set "
                                          "fallback_scrape_protocol if it is one)",
                                          url_.display(), quoted(content_type))));
      return 0;
    }
    ExpositionParser parser(answer.body, *format, config_.limits);
    const Result<std::size_t> samples = read_all(parser, result);
    cache_.sweep(result.samples.size());
    last_count_ = result.samples.size();
    if (!samples) {
      result.fail(parser.limit_hit() ? "label_limit" : "protocol",
                  detail_text(fmt::format("{}: {}", url_.display(), samples.error().message)));
      return result.samples.size();
    }
    if (*samples > config_.sample_limit) {
      result.fail("sample_limit",
                  fmt::format("{} has {} samples, {} are allowed", url_.display(), *samples, config_.sample_limit));
      return *samples;
    }
    result.success = true;
    result.honor_labels = config_.honor_labels;
    return *samples;
  }

  /// Beyond the limit it only counts, so that the report is right.
  Result<std::size_t> read_all(ExpositionParser& parser, ProbeResult& result) {
    using Entry = ExpositionParser::Entry;
    MetricInfoCollector metrics;
    std::size_t count = 0;
    result.samples.reserve(last_count_ + 1);
    while (true) {
      const Result<Entry> entry = parser.next();
      if (!entry) return tl::make_unexpected(entry.error());
      if (*entry == Entry::kEnd) break;
      if (*entry == Entry::kHistogram) {
        ++result.histograms_skipped;
        continue;
      }
      if (*entry != Entry::kSeries) {
        metrics.add(*entry, parser.family(), parser.text());
        continue;
      }
      if (++count > config_.sample_limit) continue;
      Result<Labels> labels = cache_.labels(parser);
      if (!labels) return tl::make_unexpected(std::move(labels.error()));
      result.samples.push_back(
          {std::move(*labels), parser.value(), config_.honor_timestamps ? parser.timestamp() : std::nullopt});
    }
    result.metrics = described(metrics.take());
    return count;
  }

  /// The list of the run before when nothing has changed.
  std::shared_ptr<const std::vector<MetricInfo>> described(std::vector<MetricInfo> list) {
    const auto same = [](const MetricInfo& a, const MetricInfo& b) {
      return a.name == b.name && a.type == b.type && a.help == b.help;
    };
    if (metrics_ == nullptr || !std::equal(list.begin(), list.end(), metrics_->begin(), metrics_->end(), same)) {
      metrics_ = std::make_shared<const std::vector<MetricInfo>>(std::move(list));
    }
    return metrics_;
  }

  const ScrapeConfig config_;
  const Url url_;
  ProbeServices& services_;
  SeriesCache cache_;
  std::size_t last_count_ = 0;
  std::shared_ptr<const std::vector<MetricInfo>> metrics_;
};

ProbeFactory read_scrape(Fields& fields, const ProbeTarget& target) {
  ScrapeConfig config;
  config.fields(fields);
  Result<Url> url = scrape_url(config, target.address);
  if (!url) {
    fields.mistake(fmt::format("The target {} cannot be scraped: {}.", quoted(target.address), url.error().message));
    return {};
  }
  return [config = std::move(config), url = *url](ProbeServices& services) {
    return std::make_unique<ScrapeProbe>(config, url, services);
  };
}

}  // namespace

const ProbeType kScrapeProbe{
    .name = "scrape",
    .summary = "Reads the metrics of a Prometheus or OpenMetrics endpoint.",
    .frame = ProbeFrame::kScrape,
    .read = read_scrape,
};

}  // namespace tocsin
