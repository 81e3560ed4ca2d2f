// The tcp probe: connects, optionally speaks TLS, and holds a conversation of expected and sent lines, under
// blackbox_exporter's keys and metric names.
//
// Two things are better than there. `expect_bytes` waits for all its bytes instead of hoping that one read brings them,
// and it sees what came together with an earlier line. And a certificate that is refused is still told.

#include <boost/asio/awaitable.hpp>

#include "agent/core/clock.h"
#include "agent/net/stream.h"
#include "probes/expect.h"
#include "probes/registry.h"
#include "probes/target.h"

namespace tocsin {
namespace {

namespace asio = boost::asio;

/// As Go's bufio.Scanner has it.
constexpr std::size_t kLineBytesMax = 64U << 10;

struct ExpectLabel {
  std::string name;
  std::string value;
  void fields(Fields& f) {
    f("name", name, "The name of the label.").required().check(is_valid_legacy_label_name, "must be a label name");
    f("value", value, "Its value; $1 or ${name} is what a group of the expectation caught.").required();
  }
};

struct QueryResponse {
  Pattern expect;
  std::string expect_bytes;
  std::vector<ExpectLabel> labels;
  std::string send;
  bool starttls = false;
  void fields(Fields& f) {
    f("expect", expect, "Read lines until one matches.");
    f("expect_bytes", expect_bytes, "Read exactly these bytes.");
    f("labels", labels, "Labels of probe_expect_info, made of what matched.");
    f("send", send, "A line to send; $1 or ${name} is what a group of the expectation caught.");
    f("starttls", starttls, "Begin to speak TLS here.");
    if (!expect.empty() && !expect_bytes.empty()) {
      f.mistake_at("expect_bytes", "\"expect\" and \"expect_bytes\" cannot both be set.");
    }
    if (expect.empty() && !labels.empty()) f.mistake_at("labels", "\"labels\" need an \"expect\" to be made of.");
  }
};

struct TcpProbeConfig {
  IpPreference ip;
  std::string source_ip_address;
  std::vector<QueryResponse> query_response;
  bool tls = false;
  TlsConfig tls_config;
  static bool starts_tls(const QueryResponse& entry) { return entry.starttls; }
  bool speaks_tls() const { return tls || std::any_of(query_response.begin(), query_response.end(), starts_tls); }
  void fields(Fields& f) {
    ip.fields(f);
    f("source_ip_address", source_ip_address, "The address to connect from.");
    f("query_response", query_response, "The conversation: what is expected and what is said, step by step.");
    f("tls", tls, "Speak TLS from the start.");
    f("tls_config", tls_config, "How TLS is spoken.");
    if (!f.reading()) return;
    const auto upgrades = std::count_if(query_response.begin(), query_response.end(), starts_tls);
    if (upgrades + (tls ? 1 : 0) > 1)
      f.mistake_at("query_response", "TLS can begin only once: \"tls\" or one \"starttls\".");
    if (const auto error = check_tls_files(tls_config)) f.mistake_at("tls_config", error->message + ".");
  }
};

std::string_view cause_of(StreamFailure failure) {
  switch (failure) {
    case StreamFailure::kNone:
      return "";
    case StreamFailure::kConnect:
      return "connect";
    case StreamFailure::kTimeout:
      return "timeout";
    case StreamFailure::kTls:
      return "tls";
    case StreamFailure::kCertificate:
      return "certificate";
    case StreamFailure::kClosed:
    case StreamFailure::kReset:
    case StreamFailure::kTooLong:
      return "protocol";
    case StreamFailure::kInternal:
      break;
  }
  return "internal";
}

std::shared_ptr<const std::vector<MetricInfo>> tcp_metrics() {
  static const auto metrics = [] {
    auto all = std::make_shared<std::vector<MetricInfo>>(
        std::vector<MetricInfo>{{"probe_failed_due_to_regex", "gauge", "1 when an expected line did not come."},
                                {"probe_failed_due_to_bytes", "gauge", "1 when other bytes came than expected."},
                                {"probe_expect_info", "gauge", "What was found in the lines that were expected."}});
    describe_target(*all);
    describe_tls(*all);
    return std::shared_ptr<const std::vector<MetricInfo>>(std::move(all));
  }();
  return metrics;
}

/// One run: the stream, and what it found so far.
struct Conversation {
  Stream stream;
  HostPort target;
  Deadline deadline;
  ProbeResult& result;
  bool regex_failed = false;
  bool bytes_failed = false;

  /// Notes a failure of the stream; true when there was one. `doing` is what was done, when the error does not say so
  /// itself.
  bool failed(const StreamResult& step, std::string_view doing = {}) {
    if (step.ok()) return false;
    const std::string where = doing.empty() ? "" : fmt::format("{} {}: ", doing, target.str());
    result.fail(cause_of(step.failure), detail_text(where + step.error));
    return true;
  }
  void fail(std::string_view what) { result.fail("assertion", detail_text(fmt::format("{}: {}", target.str(), what))); }
};

class TcpProbe final : public Probe {
 public:
  TcpProbe(std::shared_ptr<const TcpProbeConfig> config, HostPort target, ProbeServices& services)
      : config_(std::move(config)), target_(std::move(target)), services_(services) {
    if (config_->speaks_tls()) tls_context_ = make_tls_context(config_->tls_config);
  }

  asio::awaitable<ProbeResult> run(Deadline deadline) override;

 private:
  asio::awaitable<bool> talk(Conversation& c);
  asio::awaitable<bool> step(Conversation& c, const QueryResponse& entry);
  asio::awaitable<bool> expect_line(Conversation& c, const QueryResponse& entry, std::string& send);
  asio::awaitable<bool> expect_bytes(Conversation& c, const QueryResponse& entry);
  asio::awaitable<bool> start_tls(Conversation& c);

  const std::shared_ptr<const TcpProbeConfig> config_;
  const HostPort target_;
  ProbeServices& services_;
  /// Made with the probe: reading a trust store takes too long to be part of what is measured.
  Result<std::shared_ptr<SSL_CTX>> tls_context_;
};

asio::awaitable<bool> TcpProbe::start_tls(Conversation& c) {
  if (!tls_context_) {
    c.result.fail("internal", detail_text(tls_context_.error().message));
    co_return false;
  }
  const TlsConfig& tls = config_->tls_config;
  const std::string name = tls.server_name.empty() ? target_.host : tls.server_name;
  const StreamResult done = co_await c.stream.start_tls(*tls_context_, name, !tls.insecure_skip_verify, c.deadline);
  if (c.stream.tls_info()) add_tls_samples(*c.stream.tls_info(), c.result);
  co_return !c.failed(done, "speak TLS with");
}

/// A sample of probe_expect_info for what matched; the same labels from two steps are one sample.
void add_expect_info(const QueryResponse& entry, const Match& match, ProbeResult& result) {
  if (entry.labels.empty()) return;
  LabelsBuilder labels;
  labels.set(kMetricName, "probe_expect_info");
  for (const ExpectLabel& label : entry.labels) labels.set(label.name, detail_text(match.expand(label.value)));
  const ProbeSample sample{labels.labels(), 1, {}};
  std::erase_if(result.samples, [&](const ProbeSample& s) { return s.labels == sample.labels; });
  result.samples.push_back(sample);
}

/// Reads lines until one matches; `send` then has what it caught.
asio::awaitable<bool> TcpProbe::expect_line(Conversation& c, const QueryResponse& entry, std::string& send) {
  std::string line;
  for (;;) {
    const std::string last = line;
    const StreamResult read = co_await c.stream.read_line(line, kLineBytesMax, c.deadline);
    if (read.failure == StreamFailure::kClosed) {
      c.regex_failed = true;
      c.fail(fmt::format("closed before a line matched {}; the last line was {}", quoted(entry.expect.text()),
                         quoted(last.substr(0, 200))));
      co_return false;
    }
    if (c.failed(read, "read from")) co_return false;
    if (const auto match = Match::find(entry.expect, line)) {
      send = match->expand(entry.send);
      add_expect_info(entry, *match, c.result);
      co_return true;
    }
  }
}

asio::awaitable<bool> TcpProbe::expect_bytes(Conversation& c, const QueryResponse& entry) {
  std::string bytes;
  const StreamResult read = co_await c.stream.read_exactly(bytes, entry.expect_bytes.size(), c.deadline);
  if (c.failed(read, "read from")) co_return false;
  if (bytes == entry.expect_bytes) co_return true;
  c.bytes_failed = true;
  c.fail(fmt::format("sent {}, expected {}", quoted(bytes.substr(0, 100)), quoted(entry.expect_bytes.substr(0, 100))));
  co_return false;
}

asio::awaitable<bool> TcpProbe::step(Conversation& c, const QueryResponse& entry) {
  std::string send = entry.send;
  if (!entry.expect.empty()) {
    const bool matched = co_await expect_line(c, entry, send);
    if (!matched) co_return false;
  }
  if (!entry.expect_bytes.empty()) {
    const bool matched = co_await expect_bytes(c, entry);
    if (!matched) co_return false;
  }
  if (!send.empty()) {
    send += '\n';
    const StreamResult written = co_await c.stream.write(std::move(send), c.deadline);
    if (c.failed(written, "write to")) co_return false;
  }
  if (!entry.starttls) co_return true;
  co_return co_await start_tls(c);
}

asio::awaitable<bool> TcpProbe::talk(Conversation& c) {
  const std::optional<Resolved> resolved =
      co_await resolve_target(services_, target_.host, config_->ip, c.deadline, c.result);
  if (!resolved) co_return false;
  const asio::ip::tcp::endpoint to(resolved->address, target_.port);
  const StreamResult connected = co_await c.stream.connect(to, config_->source_ip_address, c.deadline);
  if (c.failed(connected)) co_return false;
  if (config_->tls) {
    const bool secure = co_await start_tls(c);
    if (!secure) co_return false;
  }
  for (const QueryResponse& entry : config_->query_response) {
    const bool good = co_await step(c, entry);
    if (!good) co_return false;
  }
  co_return true;
}

asio::awaitable<ProbeResult> TcpProbe::run(Deadline deadline) {
  ProbeResult result;
  result.metrics = tcp_metrics();
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  Conversation conversation{Stream(executor), target_, deadline, result};
  result.success = co_await talk(conversation);
  result.add("probe_failed_due_to_regex", conversation.regex_failed ? 1 : 0);
  result.add("probe_failed_due_to_bytes", conversation.bytes_failed ? 1 : 0);
  co_return result;
}

ProbeFactory read_tcp(Fields& f, const ProbeTarget& target) {
  auto config = std::make_shared<TcpProbeConfig>();
  config->fields(f);
  if (!f.reading()) return {};
  const Result<HostPort> host_port = parse_host_port(target.address);
  if (!host_port) {
    f.mistake_at("targets", fmt::format("The target {}.", host_port.error().message));
    return {};
  }
  return [config = std::shared_ptr<const TcpProbeConfig>(std::move(config)), to = *host_port](ProbeServices& services) {
    return std::make_unique<TcpProbe>(config, to, services);
  };
}

}  // namespace

const ProbeType kTcpProbe{
    .name = "tcp",
    .summary = "Connects to a port, optionally with TLS, and holds a conversation of expected and sent lines.",
    .read = read_tcp};

}  // namespace tocsin
