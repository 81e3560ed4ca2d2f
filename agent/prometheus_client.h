#pragma once

#include <boost/asio/awaitable.hpp>
#include <string>

#include "agent/core/clock.h"
#include "agent/net/http_client.h"
#include "rules/promql/promql.h"

namespace tocsin {

/// Reads raw samples from a server that speaks Prometheus' HTTP API (Prometheus, VictoriaMetrics, Mimir, tocsin).
///
/// `url` is what stands before /api/v1; `selector` is name and matchers. The samples with from <= t <= to of every
/// series that matches, in windows that a server with default limits answers. Stale markers do not come through that
/// API. Errors say the server's own words.
boost::asio::awaitable<Result<promql::Matrix>> fetch_samples(HttpClient& http, const Clock& clock, std::string url,
                                                             std::string selector, TimePoint from, TimePoint to);

}  // namespace tocsin
