#pragma once

#include <span>
#include <string>
#include <string_view>

#include "agent/net/http_client.h"
#include "notifiers/notifier.h"

namespace tocsin {

/// The longest wait a vendor's Retry-After is believed.
inline constexpr Duration kRetryAfterMax = std::chrono::hours(1);

/// Reads Retry-After, seconds or an HTTP date (RFC 9110 §10.2.3). Negative and past ones are zero, long ones are cut to
/// kRetryAfterMax. Nothing when the header is missing or is neither.
std::optional<Duration> retry_after(const HttpHeaders& headers, TimePoint now);

/// What an answer by HTTP's own rules means for a message: 2xx ok; 429 throttled; 5xx, 408, 425 and whatever kept the
/// request from going out transient; no whole answer to a request that went out unknown; everything else permanent
/// (redirects are not followed). Vendors that say more in the body look at it first or after.
///
/// The detail reads `HTTP 429 from hooks.slack.com: rate_limited`: `url` gives the host, and of the body at most 200
/// bytes are quoted. Each of `secrets`, and of `url` all that follows the host, is masked wherever the other side
/// echoes it.
SendResult http_result(const HttpResponse& response, std::string_view url, std::span<const std::string> secrets,
                       TimePoint now);

/// The host (and port, when one is given) of a URL, without a user or password; "" when it is no URL.
std::string_view url_host(std::string_view url);

/// `text` fit for SendResult::detail: secrets masked, on one line, printable, at most 500 bytes.
std::string safe_detail(std::string text, std::span<const std::string> secrets);

}  // namespace tocsin
