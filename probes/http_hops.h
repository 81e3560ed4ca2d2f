#pragma once

#include <string>
#include <string_view>

#include "agent/core/result.h"
#include "agent/net/http_client.h"
#include "probes/cookies.h"
#include "probes/http_config.h"
#include "probes/url.h"

namespace tocsin {

inline constexpr int kRedirectsMax = 10;

/// The headers that a config asks for, secrets revealed. Errors: a secret or a file that cannot be read.
Result<HttpHeaders> http_request_headers(const HttpProbeConfig& config);

/// The hops of one run of an http probe: what to ask next, and where an answer sends us. Decides, and does no I/O.
///
/// Redirects are Go's (and so blackbox_exporter's): 301 to 303 turn every method but HEAD into a GET without a body,
/// 307 and 308 repeat the request; a Host header of the config is kept by relative redirects only; what logs us on is
/// not sent to another host; the server_name of the config is meant for the first host only.
class HttpHops {
 public:
  HttpHops(const HttpProbeConfig& config, Url target, HttpHeaders headers, std::string body);

  const Url& url() const { return url_; }
  /// What to send now; the address to connect to is not set.
  HttpRequest request() const;

  enum class Next { kDone, kFollow, kNotFollowed, kBadRedirect };
  /// Looks at the answer to request(). kFollow: url() and request() are those of the next hop. kNotFollowed: it
  /// redirects, and we do not (by config, or because it is the eleventh). kBadRedirect: it redirects to something that
  /// is no URL for us.
  Next take(const HttpResponse& answer, TimePoint now);
  const std::string& method() const { return method_; }
  /// Redirects seen, also the one not followed.
  int redirects() const { return redirects_; }
  /// The Location header that was no good.
  const std::string& bad_location() const { return bad_location_; }

 private:
  bool same_site() const;

  const HttpProbeConfig& config_;
  const Url first_;
  Url url_;
  HttpHeaders headers_;
  std::string body_;
  std::string method_;
  std::string host_;  // the config's Host header, while it holds
  CookieJar cookies_;
  int redirects_ = 0;
  std::string bad_location_;
};

}  // namespace tocsin
