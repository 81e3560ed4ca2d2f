#pragma once

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <cmath>
#include <memory>
#include <string>

#include "agent/core/clock.h"
#include "agent/net/http_client.h"
#include "agent/net/resolver.h"
#include "probes/heartbeat.h"
#include "probes/probe.h"
#include "tests/support/run.h"

namespace tocsin::test {

/// What a probe found, made easy to ask for.
struct Found {
  ProbeResult result;

  /// The value of `name{label="value"}` as Labels::metric_str() prints it; NaN when it is not there.
  double operator[](std::string_view series) const {
    for (const ProbeSample& sample : result.samples) {
      if (sample.labels.metric_str() == series) return sample.value;
    }
    return std::nan("");
  }
  bool has(std::string_view metric) const {
    for (const ProbeSample& sample : result.samples) {
      if (sample.labels.metric_name() == metric) return true;
    }
    return false;
  }
  /// The value of a label of the first sample of `metric`, or "".
  std::string label(std::string_view metric, std::string_view name) const {
    for (const ProbeSample& sample : result.samples) {
      if (sample.labels.metric_name() == metric) return std::string(sample.labels.get(name));
    }
    return "";
  }
};

/// Makes probes out of TOML and runs them with the real clock, client and resolver.
class ProbeRunner {
 public:
  /// The mistakes are in `diagnostics` when nothing comes back.
  std::unique_ptr<Probe> make(std::string_view type, const std::string& target, const std::string& toml) {
    const ConfigNode node = parse_toml(toml, "test.toml", diagnostics);
    Fields fields(node, diagnostics);
    const ProbeType* row = find_probe_type(type);
    if (row == nullptr) throw std::runtime_error("no such probe type");
    const ProbeFactory factory = row->read(fields, {"test", target});
    fields.reject_unknown_keys();
    return diagnostics.empty() ? factory(services) : nullptr;
  }
  Found run(Probe& probe, int timeout_ms = 5000) { return {test::run(io, probe.run(in_ms(timeout_ms)))}; }
  Found run(std::string_view type, const std::string& target, const std::string& toml = "", int timeout_ms = 5000) {
    const std::unique_ptr<Probe> probe = make(type, target, toml);
    if (probe == nullptr) {
      ADD_FAILURE() << diagnostics.str();
      return {};
    }
    return run(*probe, timeout_ms);
  }

  boost::asio::io_context io;
  SystemClock clock;
  HttpClient http{io.get_executor()};
  Resolver resolver{io.get_executor()};
  HeartbeatBook heartbeats;
  ProbeServices services{clock, http, resolver, heartbeats};
  Diagnostics diagnostics;
};

}  // namespace tocsin::test
