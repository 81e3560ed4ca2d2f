#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/core/time.h"
#include "probes/url.h"

namespace tocsin {

/// The cookies that the hops of one http probe gave each other (RFC 6265, without the list of public suffixes: a Domain
/// attribute needs an inner dot). Lives for one run; at most 64 cookies.
class CookieJar {
 public:
  /// Takes the value of one Set-Cookie header that came from `from`. What a browser would refuse is dropped.
  void set(const Url& from, std::string_view set_cookie, TimePoint now);
  /// The value of the Cookie header for a request to `to`; "" when there is none.
  std::string header_for(const Url& to) const;

 private:
  struct Cookie {
    std::string name;
    std::string value;
    std::string domain;
    std::string path;
    bool host_only = true;
    bool secure = false;
  };
  std::vector<Cookie> cookies_;
};

/// Reads the three date forms of RFC 9110 §5.6.7 as HTTP headers have them: "Sun, 06 Nov 1994 08:49:37 GMT",
/// "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994".
Result<TimePoint> parse_http_date(std::string_view text);

}  // namespace tocsin
