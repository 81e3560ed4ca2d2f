#include "notifiers/http_channel.h"

namespace tocsin {

void HttpChannelConfig::fields(Fields& f) {
  f("proxy_url", proxy_url, "Go through this HTTP proxy.");
  f("tls", tls, "TLS, with the keys of Prometheus' tls_config.");
}

nlohmann::json VendorAnswer::json() const {
  nlohmann::json out = nlohmann::json::parse(body, nullptr, false);
  return out.is_object() ? out : nlohmann::json::object();
}

boost::asio::awaitable<VendorAnswer> call_vendor(NotifierServices& services, const HttpChannelConfig& channel,
                                                 VendorCall call, Deadline deadline) {
  HttpRequest request;
  request.method = call.method;
  request.url = call.url;
  request.headers = {{"Content-Type", call.content_type}, {"User-Agent", "tocsin/" TOCSIN_VERSION}};
  request.headers.insert(request.headers.end(), call.headers.begin(), call.headers.end());
  request.body = std::move(call.body);
  request.reuse_connection = true;
  request.body_bytes_max = 64U << 10;
  request.tls = channel.tls;
  request.proxy_url = channel.proxy_url;
  HttpResponse response = co_await services.http.fetch(std::move(request), deadline);
  VendorAnswer answer;
  answer.result = http_result(response, call.url, call.secrets, services.clock.now());
  answer.status = response.status;
  answer.body = std::move(response.body);
  answer.headers = std::move(response.headers);
  co_return answer;
}

std::string dump(const nlohmann::ordered_json& body) {
  return body.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

Result<std::vector<std::string>> reveal(const std::vector<const Secret*>& secrets) {
  std::vector<std::string> out;
  for (const Secret* secret : secrets) {
    Result<std::string> value = secret->reveal();
    if (!value) return fail("{}", safe_detail(value.error().message, {}));
    out.push_back(std::move(*value));
  }
  return out;
}

Duration vendor_wait(double seconds) {
  return std::clamp<Duration>(duration_from_seconds(seconds), Duration::zero(), kRetryAfterMax);
}

}  // namespace tocsin
