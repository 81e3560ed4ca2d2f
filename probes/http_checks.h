#pragma once

#include "agent/net/http_client.h"
#include "probes/http_config.h"
#include "probes/probe.h"

namespace tocsin {

/// The last answer of an http probe and what is known of the way to it.
struct HttpAnswer {
  const HttpResponse& response;
  std::string url;  // for messages, no secrets
  std::string method;
  /// False when it redirects and we did not go there: blackbox_exporter counts no body then.
  bool body_counts = true;
};

/// Judges the answer in blackbox_exporter's order (status, headers, body, reading, version, TLS; the first that fails
/// is the cause) and adds the samples that speak of it. `result.success` says whether all was good; a failure that
/// `result` already has is kept.
void judge_http(const HttpProbeConfig& config, const HttpAnswer& answer, ProbeResult& result);

/// The cause word of a failure of the exchange.
std::string_view cause_of(HttpFailure failure);

}  // namespace tocsin
