#include "probes/http_hops.h"

#include <algorithm>
#include <array>

#include "agent/core/base64.h"

namespace tocsin {
namespace {

/// A value of a header may not end it.
Result<std::string> one_line(std::string_view name, std::string value) {
  while (value.ends_with('\n') || value.ends_with('\r')) value.pop_back();
  if (value.find_first_of(std::string_view("\r\n\0", 3)) != value.npos) {
    return fail("the value of the header {} has a line break", quoted(name));
  }
  return value;
}

/// What Authorization says, or "".
Result<std::string> logon(const HttpProbeConfig& config) {
  std::string type = "Bearer";
  const Secret* secret = &config.bearer_token;
  if (config.basic_auth) secret = &config.basic_auth->password;
  if (config.authorization) {
    type = config.authorization->type;
    secret = &config.authorization->credentials;
  }
  Result<std::string> text = secret->reveal();
  if (!text) return fail_in("log on", text.error());
  if (config.basic_auth) return "Basic " + base64_encode(config.basic_auth->username + ":" + *text);
  if (text->empty()) return "";
  return type + " " + *text;
}

bool has(const HttpHeaders& headers, std::string_view name) {
  return std::any_of(headers.begin(), headers.end(), [&](const auto& h) { return equal_in_any_case(h.first, name); });
}

}  // namespace

Result<HttpHeaders> http_request_headers(const HttpProbeConfig& config) {
  HttpHeaders out;
  const auto add = [&out](const std::string& name, std::string value) -> std::optional<Error> {
    Result<std::string> line = one_line(name, std::move(value));
    if (!line) return line.error();
    if (!equal_in_any_case(name, "host")) out.emplace_back(name, std::move(*line));
    return std::nullopt;
  };
  for (const auto& [name, value] : config.headers) {
    if (const auto error = add(name, value)) return tl::make_unexpected(*error);
  }
  for (const auto& [name, list] : config.http_headers) {
    std::vector<Result<std::string>> values(list.values.begin(), list.values.end());
    for (const Secret& secret : list.secrets) values.push_back(secret.reveal());
    for (const std::string& path : list.files) values.push_back(Secret::from_file(path).reveal());
    for (Result<std::string>& value : values) {
      if (!value) return fail_in(fmt::format("header {}", quoted(name)), value.error());
      if (const auto error = add(name, std::move(*value))) return tl::make_unexpected(*error);
    }
  }
  const Result<std::string> authorization = logon(config);
  if (!authorization) return tl::make_unexpected(authorization.error());
  if (!authorization->empty()) {
    if (const auto error = add("Authorization", *authorization)) return tl::make_unexpected(*error);
  }
  if (config.compression != Compression::kNone && !has(out, "accept-encoding")) {
    out.emplace_back("Accept-Encoding", *Codec<Compression>::write(config.compression).as_string());
  }
  if (!has(out, "user-agent")) out.emplace_back("User-Agent", "tocsin/" TOCSIN_VERSION);
  return out;
}

HttpHops::HttpHops(const HttpProbeConfig& config, Url target, HttpHeaders headers, std::string body)
    : config_(config),
      first_(target),
      url_(std::move(target)),
      headers_(std::move(headers)),
      body_(std::move(body)),
      method_(config.method),
      host_(config.host_header()) {}

bool HttpHops::same_site() const {
  const std::string& now = url_.host;
  return now == first_.host || now.ends_with("." + first_.host);
}

HttpRequest HttpHops::request() const {
  constexpr std::array<std::string_view, 3> kPrivate{"authorization", "www-authenticate", "cookie"};
  HttpRequest request;
  request.method = method_;
  request.url = url_.str();
  for (const auto& [name, value] : headers_) {
    const bool is_private =
        std::any_of(kPrivate.begin(), kPrivate.end(), [&](auto p) { return equal_in_any_case(p, name); });
    if (!is_private || same_site()) request.headers.emplace_back(name, value);
  }
  if (!host_.empty()) request.headers.emplace_back("Host", host_);
  if (const std::string cookies = cookies_.header_for(url_); !cookies.empty()) {
    const auto own = std::find_if(request.headers.begin(), request.headers.end(),
                                  [](const auto& h) { return equal_in_any_case(h.first, "cookie"); });
    if (own == request.headers.end()) {
      request.headers.emplace_back("Cookie", cookies);
    } else {
      own->second += "; " + cookies;
    }
  }
  request.body = body_;
  request.http2 = config_.enable_http2;
  request.body_bytes_max = config_.body_size_limit.bytes;
  request.tls = config_.tls_config;
  if (url_.host != first_.host) {
    request.tls.server_name.clear();
  } else if (request.tls.server_name.empty() && !host_.empty()) {
    request.tls.server_name = host_.substr(0, host_.find(':'));
  }
  request.want_tls_info = url_.tls();
  request.source_address = config_.source_ip_address;
  return request;
}

HttpHops::Next HttpHops::take(const HttpResponse& answer, TimePoint now) {
  for (const auto& [name, value] : answer.headers) {
    if (equal_in_any_case(name, "set-cookie")) cookies_.set(url_, value, now);
  }
  const bool to_get = answer.status >= 301 && answer.status <= 303;
  if (!to_get && answer.status != 307 && answer.status != 308) return Next::kDone;
  // A body out of a file cannot be sent twice in Go, so blackbox_exporter does not follow then; we can.
  const std::string_view location = header(answer.headers, "location");
  if (location.empty()) return Next::kDone;
  ++redirects_;
  if (!config_.follow_redirects || redirects_ > kRedirectsMax) return Next::kNotFollowed;
  const bool relative = url_scheme(location).empty();
  Result<Url> next = url_.resolve(location);
  if (!next) {
    bad_location_ = next.error().message;
    return Next::kBadRedirect;
  }
  url_ = std::move(*next);
  if (!relative) host_.clear();
  if (to_get) {
    if (method_ != "HEAD") method_ = "GET";
    body_.clear();
  }
  return Next::kFollow;
}

}  // namespace tocsin
