// The icmp probe: pings. blackbox_exporter sends one packet; here `packets` may be more, one after the other, each with
// an equal share of the time that is left. Then the phase `rtt` is the mean of those that came back, and so is the
// phase `setup`.

#include <boost/asio/awaitable.hpp>
#include <random>

#include "agent/core/clock.h"
#include "agent/net/icmp.h"
#include "probes/registry.h"
#include "probes/target.h"

namespace tocsin {
namespace {

namespace asio = boost::asio;

/// What fits into an IPv4 packet behind its header and that of ICMP.
constexpr int kPayloadMax = 65535 - 20 - 8;

struct IcmpProbeConfig {
  IpPreference ip;
  std::string source_ip_address;
  int packets = 1;
  int replies_min = 1;
  int payload_size = 0;
  int ttl = 64;
  bool dont_fragment = false;
  void fields(Fields& f) {
    ip.fields(f);
    f("source_ip_address", source_ip_address, "The address to ping from.");
    f("packets", packets, "How many echo requests to send, one after the other.").range(1, 100);
    f("replies_min", replies_min, "How many of them must be answered.").range(1, 100);
    f("payload_size", payload_size, "Bytes in each; 0 is a short text.").range(0, kPayloadMax);
    f("ttl", ttl, "How many hops each may take; 0 is the system's default.").range(0, 255);
    f("dont_fragment", dont_fragment, "Set the bit that forbids taking packets apart (IPv4 only).");
    if (f.reading() && replies_min > packets) {
      f.mistake_at("replies_min", "\"replies_min\" cannot be more than \"packets\".");
    }
  }
};

std::string_view cause_of(EchoFailure failure) {
  switch (failure) {
    case EchoFailure::kNone:
      return "";
    case EchoFailure::kTimeout:
      return "timeout";
    case EchoFailure::kUnreachable:
      return "unreachable";
    case EchoFailure::kPermission:
    case EchoFailure::kUnsupported:
    case EchoFailure::kInternal:
      break;
  }
  return "internal";
}

std::shared_ptr<const std::vector<MetricInfo>> icmp_metrics() {
  static const auto metrics = [] {
    auto all = std::make_shared<std::vector<MetricInfo>>(
        std::vector<MetricInfo>{{"probe_icmp_duration_seconds", "gauge", "How long each phase took."},
                                {"probe_icmp_reply_hop_limit", "gauge", "The hop limit (IPv4: TTL) of the last reply."},
                                {"probe_icmp_packets_sent", "gauge", "Echo requests that were sent."},
                                {"probe_icmp_packets_received", "gauge", "Echo requests that were answered in time."},
                                {"probe_icmp_rtt_min_seconds", "gauge", "The shortest round trip."},
                                {"probe_icmp_rtt_max_seconds", "gauge", "The longest round trip."}});
    describe_target(*all);
    return std::shared_ptr<const std::vector<MetricInfo>>(std::move(all));
  }();
  return metrics;
}

/// What the packets of one run told.
struct Tally {
  int sent = 0;
  int received = 0;
  double setup_sum = 0;
  double rtt_sum = 0;
  double rtt_min = 0;
  double rtt_max = 0;
  std::optional<int> hop_limit;
  EchoResult last_failure;

  void add(const EchoResult& echo) {
    ++sent;
    setup_sum += echo.setup_seconds;
    if (!echo.ok()) {
      last_failure = echo;
      return;
    }
    rtt_min = received == 0 ? echo.rtt_seconds : std::min(rtt_min, echo.rtt_seconds);
    rtt_max = std::max(rtt_max, echo.rtt_seconds);
    rtt_sum += echo.rtt_seconds;
    hop_limit = echo.hop_limit;
    ++received;
  }
};

class IcmpProbe final : public Probe {
 public:
  IcmpProbe(IcmpProbeConfig config, std::string host, ProbeServices& services)
      : config_(std::move(config)), host_(std::move(host)), services_(services), random_(std::random_device{}()) {}

  asio::awaitable<ProbeResult> run(Deadline deadline) override;

 private:
  asio::awaitable<void> send_all(const Resolved& to, Tally& tally, Deadline deadline);
  void judge(const Tally& tally, ProbeResult& result) const;
  std::string payload() const;

  const IcmpProbeConfig config_;
  const std::string host_;
  ProbeServices& services_;
  std::minstd_rand random_;
};

std::string IcmpProbe::payload() const {
  std::string text = EchoRequest{}.payload;
  if (config_.payload_size > 0) text.resize(static_cast<std::size_t>(config_.payload_size), '.');
  return text;
}

/// A new id for each run: middleboxes drop flows with an id that they saw too long ago.
asio::awaitable<void> IcmpProbe::send_all(const Resolved& to, Tally& tally, Deadline deadline) {
  EchoRequest request;
  request.to = to.address;
  request.source_address = config_.source_ip_address;
  request.id = static_cast<std::uint16_t>(random_());
  request.sequence = static_cast<std::uint16_t>(random_());
  request.payload = payload();
  request.ttl = config_.ttl;
  request.dont_fragment = config_.dont_fragment;
  for (int left = config_.packets; left > 0; --left) {
    const Deadline now = services_.clock.steady();
    ++request.sequence;
    EchoRequest one = request;
    const EchoResult echo = co_await ping(std::move(one), now + (deadline - now) / left);
    tally.add(echo);
    const bool hopeless = echo.failure == EchoFailure::kPermission || echo.failure == EchoFailure::kUnsupported;
    if (hopeless) co_return;
  }
}

void IcmpProbe::judge(const Tally& tally, ProbeResult& result) const {
  if (tally.received >= config_.replies_min) {
    result.success = true;
    return;
  }
  const EchoResult& last = tally.last_failure;
  const std::string why = last.failure == EchoFailure::kTimeout ? "no reply in time" : last.error;
  const std::string count =
      tally.sent > 1 ? fmt::format("{} of {} packets answered; last: ", tally.received, tally.sent) : "";
  result.fail(cause_of(last.failure), detail_text(fmt::format("ping {}: {}{}", host_, count, why)));
}

asio::awaitable<ProbeResult> IcmpProbe::run(Deadline deadline) {
  ProbeResult result;
  result.metrics = icmp_metrics();
  const std::optional<Resolved> resolved = co_await resolve_target(services_, host_, config_.ip, deadline, result);
  Tally tally;
  if (resolved) {
    co_await send_all(*resolved, tally, deadline);
    judge(tally, result);
  }
  constexpr std::string_view kPhases = "probe_icmp_duration_seconds";
  result.add(kPhases, {{"phase", "resolve"}}, resolved ? resolved->lookup_seconds : 0);
  result.add(kPhases, {{"phase", "setup"}}, tally.sent > 0 ? tally.setup_sum / tally.sent : 0);
  result.add(kPhases, {{"phase", "rtt"}}, tally.received > 0 ? tally.rtt_sum / tally.received : 0);
  if (tally.hop_limit) result.add("probe_icmp_reply_hop_limit", *tally.hop_limit);
  if (config_.packets > 1) {
    result.add("probe_icmp_packets_sent", tally.sent);
    result.add("probe_icmp_packets_received", tally.received);
    if (tally.received > 0) {
      result.add("probe_icmp_rtt_min_seconds", tally.rtt_min);
      result.add("probe_icmp_rtt_max_seconds", tally.rtt_max);
    }
  }
  co_return result;
}

ProbeFactory read_icmp(Fields& f, const ProbeTarget& target) {
  IcmpProbeConfig config;
  config.fields(f);
  if (!f.reading()) return {};
  std::string host = target.address;
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (host.empty()) f.mistake_at("targets", "The target has no host.");
  return [config, host](ProbeServices& services) { return std::make_unique<IcmpProbe>(config, host, services); };
}

}  // namespace

const ProbeType kIcmpProbe{.name = "icmp", .summary = "Pings a host.", .read = read_icmp};

}  // namespace tocsin
