#include "probes/cookies.h"

#include <algorithm>
#include <charconv>
#include <ctime>
#include <optional>

namespace tocsin {
namespace {

constexpr std::size_t kCookiesMax = 64;

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

/// True when `host` is `domain` or below it.
bool domain_holds(std::string_view domain, std::string_view host) {
  return host == domain ||
         (host.size() > domain.size() && host.ends_with(domain) && host[host.size() - domain.size() - 1] == '.');
}

/// RFC 6265 §5.1.4.
bool path_holds(std::string_view cookie, std::string_view request) {
  if (!request.starts_with(cookie)) return false;
  return request.size() == cookie.size() || cookie.ends_with('/') || request[cookie.size()] == '/';
}

std::string default_path(std::string_view request) {
  const std::size_t slash = request.rfind('/');
  return slash == 0 || slash == request.npos ? "/" : std::string(request.substr(0, slash));
}

bool is_address(std::string_view host) {
  return host.find(':') != host.npos || host.find_first_not_of("0123456789.") == host.npos;
}

}  // namespace

Result<TimePoint> parse_http_date(std::string_view text) {
  const std::string copy(trimmed(text));
  for (const char* format : {"%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"}) {
    std::tm parts{};
    const char* end = strptime(copy.c_str(), format, &parts);
    if (end != nullptr && *end == '\0') {
      return std::chrono::sys_days(std::chrono::year(parts.tm_year + 1900) / (parts.tm_mon + 1) / parts.tm_mday) +
             std::chrono::hours(parts.tm_hour) + std::chrono::minutes(parts.tm_min) +
             std::chrono::seconds(parts.tm_sec);
    }
  }
  return fail("\"{}\" is no date of HTTP", copy.substr(0, 64));
}

void CookieJar::set(const Url& from, std::string_view set_cookie, TimePoint now) {
  std::string_view rest = set_cookie;
  const auto next_part = [&rest] {
    const std::size_t end = std::min(rest.find(';'), rest.size());
    const std::string_view part = trimmed(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    return part;
  };
  const std::string_view pair = next_part();
  const std::size_t equals = pair.find('=');
  if (equals == pair.npos || equals == 0) return;
  Cookie cookie{std::string(trimmed(pair.substr(0, equals))),
                std::string(trimmed(pair.substr(equals + 1))),
                from.host,
                default_path(from.path),
                true,
                false};

  bool expired = false;
  bool has_max_age = false;
  while (!rest.empty()) {
    const std::string_view part = next_part();
    const std::size_t mark = std::min(part.find('='), part.size());
    const std::string_view name = trimmed(part.substr(0, mark));
    const std::string_view value = mark == part.size() ? std::string_view() : trimmed(part.substr(mark + 1));
    if (equal_in_any_case(name, "secure")) {
      cookie.secure = true;
    } else if (equal_in_any_case(name, "path")) {
      if (value.starts_with('/')) cookie.path = value;
    } else if (equal_in_any_case(name, "max-age")) {
      has_max_age = true;
      expired = value.starts_with('-') || value == "0";
    } else if (equal_in_any_case(name, "expires")) {
      const auto date = parse_http_date(value);
      if (date && !has_max_age) expired = *date <= now;
    } else if (equal_in_any_case(name, "domain") && !value.empty()) {
      std::string domain(value.substr(value.front() == '.' ? 1 : 0));
      std::transform(domain.begin(), domain.end(), domain.begin(), [](unsigned char c) { return std::tolower(c); });
      if (domain == from.host && (is_address(domain) || domain.find('.') == domain.npos)) continue;
      if (is_address(from.host) || domain.find('.') == domain.npos || !domain_holds(domain, from.host)) return;
      cookie.domain = domain;
      cookie.host_only = false;
    }
  }
  std::erase_if(cookies_, [&](const Cookie& c) {
    return c.name == cookie.name && c.domain == cookie.domain && c.path == cookie.path;
  });
  if (!expired && cookies_.size() < kCookiesMax) cookies_.push_back(std::move(cookie));
}

std::string CookieJar::header_for(const Url& to) const {
  std::vector<const Cookie*> sent;
  for (const Cookie& c : cookies_) {
    const bool host = c.host_only ? to.host == c.domain : domain_holds(c.domain, to.host);
    if (host && path_holds(c.path, to.path) && (!c.secure || to.tls())) sent.push_back(&c);
  }
  // RFC 6265 §5.4: the longest paths first, else in the order of their making.
  std::stable_sort(sent.begin(), sent.end(),
                   [](const Cookie* a, const Cookie* b) { return a->path.size() > b->path.size(); });
  std::string out;
  for (const Cookie* c : sent) out += fmt::format("{}{}={}", out.empty() ? "" : "; ", c->name, c->value);
  return out;
}

}  // namespace tocsin
