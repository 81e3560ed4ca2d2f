// One place decides what an HTTP answer means for a message, so that every channel retries by the same rules. The cases
// follow what can be known: a request that never went out is safe to repeat, one that went out without an answer may
// have arrived, and a 4xx will be refused again.

#include "notifiers/http_result.h"

#include <date/date.h>

#include <charconv>
#include <sstream>

namespace tocsin {
namespace {

constexpr std::size_t kDetailMax = 500;
constexpr std::size_t kBodyQuoted = 200;
// Shorter than this, masking would tear ordinary words apart.
constexpr std::size_t kSecretMin = 4;

void mask(std::string& text, std::string_view secret) {
  if (secret.size() < kSecretMin) return;
  for (std::size_t at = text.find(secret); at != std::string::npos; at = text.find(secret, at)) {
    text.replace(at, secret.size(), kSecretMask);
    at += std::string_view(kSecretMask).size();
  }
}

std::optional<TimePoint> parse_http_date(std::string_view text) {
  // IMF-fixdate, and the two obsolete forms every recipient must still read (RFC 9110 §5.6.7).
  for (const char* format : {"%a, %d %b %Y %T GMT", "%A, %d-%b-%y %T GMT", "%a %b %e %T %Y"}) {
    std::istringstream in{std::string(text)};
    in.imbue(std::locale::classic());
    TimePoint at;
    if (in >> date::parse(format, at)) return at;
  }
  return std::nullopt;
}

SendResult::Kind kind_of_failure(const HttpResponse& response) {
  switch (response.failure) {
    case HttpFailure::kBadUrl:
      return SendResult::Kind::kPermanent;
    case HttpFailure::kTimeout:
    case HttpFailure::kReceive:
    case HttpFailure::kProtocol:
      return response.request_sent ? SendResult::Kind::kUnknown : SendResult::Kind::kTransient;
    default:
      return SendResult::Kind::kTransient;
  }
}

SendResult::Kind kind_of_status(int status) {
  if (status / 100 == 2) return SendResult::Kind::kOk;
  if (status == 429) return SendResult::Kind::kThrottled;
  if (status / 100 == 5 || status == 408 || status == 425) return SendResult::Kind::kTransient;
  return SendResult::Kind::kPermanent;
}

}  // namespace

std::optional<Duration> retry_after(const HttpHeaders& headers, TimePoint now) {
  const std::string_view text = header(headers, "Retry-After");
  if (text.empty()) return std::nullopt;
  Duration wait{};
  double seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (end == text.data() + text.size() && (error == std::errc() || error == std::errc::result_out_of_range)) {
    wait = error == std::errc() ? duration_from_seconds(seconds) : kRetryAfterMax;
  } else if (const auto at = parse_http_date(text)) {
    wait = *at - now;
  } else {
    return std::nullopt;
  }
  return std::clamp(wait, Duration::zero(), kRetryAfterMax);
}

std::string_view url_host(std::string_view url) {
  const std::size_t scheme = url.find("://");
  if (scheme == std::string_view::npos) return {};
  url.remove_prefix(scheme + 3);
  url = url.substr(0, url.find_first_of("/?#"));
  if (const std::size_t user = url.rfind('@'); user != std::string_view::npos) url.remove_prefix(user + 1);
  return url;
}

std::string safe_detail(std::string text, std::span<const std::string> secrets) {
  for (const std::string& secret : secrets) mask(text, secret);
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  if (text.size() > kDetailMax) {
    text.resize(kDetailMax);
    // Not in the middle of a character.
    while (!text.empty() && !is_valid_utf8(text) && text.size() > kDetailMax - 4) text.pop_back();
  }
  return text;
}

SendResult http_result(const HttpResponse& response, std::string_view url, std::span<const std::string> secrets,
                       TimePoint now) {
  const std::string_view host = url_host(url);
  std::vector<std::string> hidden(secrets.begin(), secrets.end());
  if (!host.empty()) {
    hidden.emplace_back(url.substr(0, url.find(host)));  // a user and password, with the scheme
    hidden.emplace_back(url.substr(url.find(host) + host.size()));
    if (hidden[hidden.size() - 2].find('@') == std::string::npos) hidden.erase(hidden.end() - 2);
  }

  SendResult result;
  const bool answered = response.status != 0 &&
                        (response.ok() || response.failure == HttpFailure::kBodyTooLarge || response.status / 100 != 2);
  if (!answered) {
    result.kind = kind_of_failure(response);
    result.detail = safe_detail(fmt::format("{}: {}", host, response.error), hidden);
    return result;
  }
  result.kind = kind_of_status(response.status);
  if (result.kind == SendResult::Kind::kOk) return result;
  if (result.kind != SendResult::Kind::kPermanent) result.retry_after = retry_after(response.headers, now);
  // Masked before it is cut, lest half a secret is left over.
  std::string body = response.body;
  for (const std::string& secret : hidden) mask(body, secret);
  body.resize(std::min(body.size(), kBodyQuoted));
  while (!body.empty() && std::isspace(static_cast<unsigned char>(body.back())) != 0) body.pop_back();
  result.detail =
      safe_detail(fmt::format("HTTP {} from {}{}{}", response.status, host, body.empty() ? "" : ": ", body), hidden);
  return result;
}

}  // namespace tocsin
