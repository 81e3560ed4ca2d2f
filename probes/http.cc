// The http probe: asks a web server and judges its answer, under blackbox_exporter's keys and metric names.
//
// One name becomes one address (no happy eyeballs), each request has a fresh connection, and redirects are followed
// here rather than in libcurl, because every hop has phases of its own that are summed, and rules of its own about Host
// and SNI. HttpHops decides where to go, judge_http() what to think of the last answer; this file only walks.

#include <boost/asio/awaitable.hpp>
#include <fstream>

#include "agent/core/clock.h"
#include "agent/net/http_client.h"
#include "probes/http_checks.h"
#include "probes/http_config.h"
#include "probes/http_hops.h"
#include "probes/registry.h"
#include "probes/target.h"
#include "probes/url.h"

namespace tocsin {
namespace {

namespace asio = boost::asio;

constexpr std::size_t kBodyFileBytesMax = 16U << 20;

struct Phases {
  double resolve = 0;
  double connect = 0;
  double tls = 0;
  double processing = 0;
  double transfer = 0;

  /// Adds one hop. Only the last one has a transfer, as blackbox_exporter counts.
  void add(const HttpTimings& t, bool last) {
    if (t.connect <= 0) return;
    connect += std::max(0.0, t.connect - t.resolve);
    if (t.tls > 0) tls += t.tls - t.connect;
    if (t.first_byte <= 0) return;
    processing += t.first_byte - std::max(t.tls, t.connect);
    if (last) transfer += std::max(0.0, t.total - t.first_byte);
  }

  /// Those of which there is something to say: a name that did not resolve, or that the proxy resolves.
  void add_samples(bool looked_up, bool asked, ProbeResult& result) const {
    constexpr std::string_view kName = "probe_http_duration_seconds";
    if (looked_up) result.add(kName, {{"phase", "resolve"}}, resolve);
    if (!asked) return;
    result.add(kName, {{"phase", "connect"}}, connect);
    result.add(kName, {{"phase", "tls"}}, tls);
    result.add(kName, {{"phase", "processing"}}, processing);
    result.add(kName, {{"phase", "transfer"}}, transfer);
  }
};

Result<std::string> request_body(const HttpProbeConfig& config) {
  if (config.body_file.empty()) return config.body;
  std::ifstream in(config.body_file, std::ios::binary);
  std::string body(kBodyFileBytesMax + 1, '\0');
  if (!in) return fail("cannot read {}", config.body_file);
  in.read(body.data(), static_cast<std::streamsize>(body.size()));
  if (in.bad()) return fail("cannot read {}", config.body_file);
  body.resize(static_cast<std::size_t>(in.gcount()));
  if (body.size() > kBodyFileBytesMax) return fail("{} is larger than 16 MiB", config.body_file);
  return body;
}

std::shared_ptr<const std::vector<MetricInfo>> http_metrics() {
  static const auto metrics = [] {
    auto all = std::make_shared<std::vector<MetricInfo>>(std::vector<MetricInfo>{
        {"probe_http_duration_seconds", "gauge", "How long each phase of the request took, summed over all redirects."},
        {"probe_http_content_length", "gauge", "The length the answer says it has, -1 when it does not say."},
        {"probe_http_uncompressed_body_length", "gauge", "Bytes of body, decoded."},
        {"probe_http_redirects", "gauge", "The number of redirects."},
        {"probe_http_ssl", "gauge", "1 when the last answer came over TLS."},
        {"probe_http_status_code", "gauge", "The status code of the last answer, 0 when there was none."},
        {"probe_http_version", "gauge", "The version of HTTP of the last answer."},
        {"probe_failed_due_to_regex", "gauge", "1 when a regular expression was the reason of the failure."},
        {"probe_http_last_modified_timestamp_seconds", "gauge", "The Last-Modified header as a Unix time."}});
    describe_target(*all);
    describe_tls(*all);
    return std::shared_ptr<const std::vector<MetricInfo>>(std::move(all));
  }();
  return metrics;
}

/// A plain request through a proxy has the address in its URL, as blackbox_exporter's has: pinning a connection would
/// turn it into a tunnel.
void pin(HttpRequest& request, Url url, const std::string& address) {
  if (request.proxy_url.empty() || url.tls() || address.empty()) {
    request.pinned_address = address;
    return;
  }
  if (header(request.headers, "host").empty()) request.headers.emplace_back("Host", url.authority());
  url.host = address;
  request.url = url.str();
}

class HttpProbe final : public Probe {
 public:
  HttpProbe(std::shared_ptr<const HttpProbeConfig> config, Url target, ProbeServices& services)
      : config_(std::move(config)), target_(std::move(target)), services_(services) {}

  asio::awaitable<ProbeResult> run(Deadline deadline) override;

 private:
  asio::awaitable<HttpResponse> walk(HttpHops& hops, Phases& phases, bool& followed, Deadline deadline,
                                     ProbeResult& result);
  asio::awaitable<std::string> address_of(const Url& url, Phases& phases, Deadline deadline, ProbeResult& result,
                                          bool first);
  /// The name goes to the proxy as it is.
  bool proxy_resolves() const { return config_->skip_resolve_phase_with_proxy && !config_->proxy_url.empty(); }

  const std::shared_ptr<const HttpProbeConfig> config_;
  const Url target_;
  ProbeServices& services_;
};

/// The address to connect to, or "" (with the failure in `result`). Only the first lookup has samples of its own.
asio::awaitable<std::string> HttpProbe::address_of(const Url& url, Phases& phases, Deadline deadline,
                                                   ProbeResult& result, bool first) {
  const Deadline start = services_.clock.steady();
  ProbeResult later;
  const std::optional<Resolved> resolved =
      co_await resolve_target(services_, url.host, config_->ip, deadline, first ? result : later);
  phases.resolve += resolved ? resolved->lookup_seconds : seconds_between(start, services_.clock.steady());
  if (!resolved && !first) result.fail(later.cause, later.detail);
  co_return resolved ? resolved->address.to_string() : "";
}

/// From the target to the last answer.
asio::awaitable<HttpResponse> HttpProbe::walk(HttpHops& hops, Phases& phases, bool& followed, Deadline deadline,
                                              ProbeResult& result) {
  const Result<std::string> proxy = config_->proxy_url.reveal();
  if (!proxy) {
    result.fail("internal", detail_text("proxy_url: " + proxy.error().message));
    co_return HttpResponse{};
  }
  std::string host;
  std::string address;
  for (;;) {
    if (hops.url().host != host && !proxy_resolves()) {
      address = co_await address_of(hops.url(), phases, deadline, result, host.empty());
      if (address.empty()) co_return HttpResponse{};
      host = hops.url().host;
    }
    HttpRequest request = hops.request();
    request.proxy_url = *proxy;
    pin(request, hops.url(), address);
    HttpResponse response = co_await services_.http.fetch(std::move(request), deadline);
    const HttpHops::Next next = hops.take(response, services_.clock.now());
    followed = next != HttpHops::Next::kNotFollowed;
    const bool bad = next == HttpHops::Next::kBadRedirect;
    phases.add(response.timings, next == HttpHops::Next::kDone || next == HttpHops::Next::kNotFollowed);
    if (bad) result.fail("protocol", detail_text(hops.url().display() + " redirects: " + hops.bad_location()));
    if (bad) co_return HttpResponse{};  // Go's client has no answer then
    if (next != HttpHops::Next::kFollow) co_return response;
  }
}

asio::awaitable<ProbeResult> HttpProbe::run(Deadline deadline) {
  ProbeResult result;
  result.metrics = http_metrics();
  Result<HttpHeaders> headers = http_request_headers(*config_);
  Result<std::string> body = request_body(*config_);
  if (!headers || !body) {
    result.fail("internal", detail_text(!headers ? headers.error().message : body.error().message));
    co_return result;
  }
  HttpHops hops(*config_, target_, std::move(*headers), std::move(*body));
  Phases phases;
  bool followed = true;
  const HttpResponse response = co_await walk(hops, phases, followed, deadline, result);
  const HttpAnswer answer{response, hops.url().display(), hops.method(), followed};
  judge_http(*config_, answer, result);
  phases.add_samples(!proxy_resolves(), result.cause != "dns" || hops.redirects() > 0, result);
  result.add("probe_http_redirects", hops.redirects());
  co_return result;
}

/// "example.org/x" means http.
Result<Url> target_url(std::string_view address) {
  const std::string scheme = url_scheme(address);
  const bool given = (scheme == "http" || scheme == "https") && address.substr(scheme.size()).starts_with("://");
  return Url::parse(given ? std::string(address) : fmt::format("http://{}", address));
}

ProbeFactory read_http(Fields& f, const ProbeTarget& target) {
  auto config = std::make_shared<HttpProbeConfig>();
  config->fields(f);
  if (!f.reading()) return {};
  const Result<Url> url = target_url(target.address);
  if (!url) {
    f.mistake_at("targets", fmt::format("The target {}.", url.error().message));
    return {};
  }
  return [config = std::shared_ptr<const HttpProbeConfig>(std::move(config)), url = *url](ProbeServices& services) {
    return std::make_unique<HttpProbe>(config, url, services);
  };
}

}  // namespace

const ProbeType kHttpProbe{.name = "http", .summary = "Asks a web server and judges its answer.", .read = read_http};

}  // namespace tocsin
