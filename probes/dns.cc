// The dns probe: asks one DNS server one question and judges the answer, under blackbox_exporter's keys and metric
// names.
//
// `fail_if_all_match_regexp` says the opposite of what it does: blackbox_exporter fails when NOT all records match, and
// its own tests hold it to that. Configurations that work there must mean the same here, so it is kept, and its
// documentation says so.

#include <boost/asio/awaitable.hpp>

#include "agent/core/clock.h"
#include "agent/net/dns_query.h"
#include "probes/registry.h"
#include "probes/target.h"

namespace tocsin {

enum class DnsTransport { kUdp, kTcp };
template <>
struct EnumNames<DnsTransport> {
  static constexpr EnumName<DnsTransport> kNames[] = {{DnsTransport::kUdp, "udp"}, {DnsTransport::kTcp, "tcp"}};
};

namespace {

namespace asio = boost::asio;

constexpr std::string_view kRcodes[] = {
    "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP",  "REFUSED", "YXDOMAIN", "YXRRSET", "NXRRSET",  "NOTAUTH",
    "NOTZONE", "BADSIG",  "BADVERS",  "BADKEY",   "BADTIME", "BADMODE", "BADNAME",  "BADALG",  "BADTRUNC", "BADCOOKIE"};

struct RecordChecks {
  std::vector<Pattern> fail_if_matches_regexp;
  std::vector<Pattern> fail_if_all_match_regexp;
  std::vector<Pattern> fail_if_not_matches_regexp;
  std::vector<Pattern> fail_if_none_matches_regexp;
  void fields(Fields& f) {
    f("fail_if_matches_regexp", fail_if_matches_regexp, "No record may match any of these.");
    f("fail_if_all_match_regexp", fail_if_all_match_regexp,
      "Every record must match all of these (the name says otherwise; blackbox_exporter does this).");
    f("fail_if_not_matches_regexp", fail_if_not_matches_regexp,
      "There must be records, and each must match all of these.");
    f("fail_if_none_matches_regexp", fail_if_none_matches_regexp,
      "There must be records, and one of them must match one of these.");
  }
};

struct DnsProbeConfig {
  IpPreference ip;
  std::string source_ip_address;
  DnsTransport transport_protocol = DnsTransport::kUdp;
  bool dns_over_tls = false;
  TlsConfig tls_config;
  std::string query_name;
  std::string query_type = "ANY";
  std::string query_class = "IN";
  bool recursion_desired = true;
  std::vector<std::string> valid_rcodes{"NOERROR"};
  RecordChecks validate_answer_rrs;
  RecordChecks validate_authority_rrs;
  RecordChecks validate_additional_rrs;

  void fields(Fields& f) {
    ip.fields(f);
    f("source_ip_address", source_ip_address, "The address to ask from.");
    f("transport_protocol", transport_protocol, "What the question goes over.");
    f("dns_over_tls", dns_over_tls, "Ask over TLS (port 853); needs transport_protocol = \"tcp\".");
    f("tls_config", tls_config, "How TLS is spoken.");
    f("query_name", query_name, "The name to ask for; one with other letters than ASCII in its xn-- form.").required();
    f("query_type", query_type, "The type to ask for, like A or SOA.")
        .check(is_dns_type, "must be a type of DNS records");
    f("query_class", query_class, "The class to ask for.").check(is_dns_class, "must be a class of DNS records");
    f("recursion_desired", recursion_desired, "Ask the server to ask others.");
    f("valid_rcodes", valid_rcodes, "The answer codes that are good.");
    f("validate_answer_rrs", validate_answer_rrs, "What the records of the answer must be.");
    f("validate_authority_rrs", validate_authority_rrs, "What the records of the authority section must be.");
    f("validate_additional_rrs", validate_additional_rrs, "What the records of the additional section must be.");

    if (!f.reading()) return;
    if (dns_over_tls && transport_protocol != DnsTransport::kTcp) {
      f.mistake_at("dns_over_tls", "\"dns_over_tls\" needs transport_protocol = \"tcp\".");
    }
    if (valid_rcodes.empty()) valid_rcodes = {"NOERROR"};
    for (const std::string& rcode : valid_rcodes) {
      if (std::find(std::begin(kRcodes), std::end(kRcodes), rcode) == std::end(kRcodes)) {
        f.mistake_at("valid_rcodes", fmt::format("\"{}\" is not one of: {}.", rcode, fmt::join(kRcodes, ", ")));
      }
    }
    if (!query_name.empty() && is_dns_type(query_type) && is_dns_class(query_class)) {
      const auto wire = encode_dns_query({query_name, query_type, query_class, recursion_desired}, 0);
      if (!wire) f.mistake_at("query_name", wire.error().message + ".");
    }
    if (const auto error = check_tls_files(tls_config)) f.mistake_at("tls_config", error->message + ".");
  }
};

/// What is wrong with a section, or "".
std::string records_fault(const RecordChecks& checks, const std::vector<std::string>& records) {
  const auto matches = [](const Pattern& p, const std::string& record) { return p.found_in(record); };
  if (records.empty() && !checks.fail_if_not_matches_regexp.empty()) return "is empty (fail_if_not_matches_regexp)";
  if (records.empty() && !checks.fail_if_none_matches_regexp.empty()) return "is empty (fail_if_none_matches_regexp)";
  bool all = true;
  bool any = false;
  for (const std::string& record : records) {
    for (const Pattern& p : checks.fail_if_matches_regexp) {
      if (matches(p, record)) return fmt::format("has {}, which matches {}", quoted(record), quoted(p.text()));
    }
    for (const Pattern& p : checks.fail_if_all_match_regexp) all &= matches(p, record);
    for (const Pattern& p : checks.fail_if_not_matches_regexp) {
      if (!matches(p, record)) return fmt::format("has {}, which does not match {}", quoted(record), quoted(p.text()));
    }
    for (const Pattern& p : checks.fail_if_none_matches_regexp) any |= matches(p, record);
  }
  if (!all) return "has a record that does not match (fail_if_all_match_regexp)";
  if (!checks.fail_if_none_matches_regexp.empty() && !any)
    return "has no record that matches (fail_if_none_matches_regexp)";
  return "";
}

std::string_view cause_of(DnsFailure failure) {
  switch (failure) {
    case DnsFailure::kNone:
      return "";
    case DnsFailure::kConnect:
      return "connect";
    case DnsFailure::kTls:
      return "tls";
    case DnsFailure::kCertificate:
      return "certificate";
    case DnsFailure::kTimeout:
      return "timeout";
    case DnsFailure::kClosed:
    case DnsFailure::kMalformed:
      return "protocol";
    case DnsFailure::kBadQuery:
    case DnsFailure::kInternal:
      break;
  }
  return "internal";
}

std::shared_ptr<const std::vector<MetricInfo>> dns_metrics() {
  static const auto metrics = [] {
    auto all = std::make_shared<std::vector<MetricInfo>>(std::vector<MetricInfo>{
        {"probe_dns_duration_seconds", "gauge", "How long each phase of the question took."},
        {"probe_dns_answer_rrs", "gauge", "The number of records in the answer section."},
        {"probe_dns_authority_rrs", "gauge", "The number of records in the authority section."},
        {"probe_dns_additional_rrs", "gauge", "The number of records in the additional section."},
        {"probe_dns_query_succeeded", "gauge", "1 when there was an answer, good or bad."},
        {"probe_dns_serial", "gauge", "The serial number of the zone, when its SOA was asked for."}});
    describe_target(*all);
    describe_tls(*all);
    return std::shared_ptr<const std::vector<MetricInfo>>(std::move(all));
  }();
  return metrics;
}

class DnsProbe final : public Probe {
 public:
  DnsProbe(std::shared_ptr<const DnsProbeConfig> config, HostPort target, ProbeServices& services)
      : config_(std::move(config)), target_(std::move(target)), services_(services) {
    if (config_->dns_over_tls) tls_context_ = make_tls_context(config_->tls_config);
  }

  asio::awaitable<ProbeResult> run(Deadline deadline) override;

 private:
  Result<DnsServer> server(const Resolved& resolved);
  void judge(const DnsResult& asked, ProbeResult& result) const;

  const std::shared_ptr<const DnsProbeConfig> config_;
  const HostPort target_;
  ProbeServices& services_;
  /// Made with the probe: reading a trust store takes too long to be part of what is measured.
  Result<std::shared_ptr<SSL_CTX>> tls_context_;
};

Result<DnsServer> DnsProbe::server(const Resolved& resolved) {
  DnsServer server;
  server.address = resolved.address;
  server.port = target_.port;
  server.tcp = config_->transport_protocol == DnsTransport::kTcp;
  server.source_address = config_->source_ip_address;
  if (!config_->dns_over_tls) return server;
  if (!tls_context_) return tl::make_unexpected(tls_context_.error());
  const TlsConfig& tls = config_->tls_config;
  server.tls_context = *tls_context_;
  server.tls_server_name = tls.server_name.empty() ? target_.host : tls.server_name;
  server.tls_verify = !tls.insecure_skip_verify;
  return server;
}

/// The first thing that is wrong is the cause: the code, then the sections in their order.
void DnsProbe::judge(const DnsResult& asked, ProbeResult& result) const {
  const DnsAnswer& answer = asked.answer;
  const std::string question = fmt::format("{} {}", config_->query_name, config_->query_type);
  if (!asked.ok()) {
    const std::string why = asked.failure == DnsFailure::kTimeout ? "no answer in time" : asked.error;
    result.fail(cause_of(asked.failure), detail_text(fmt::format("ask {} for {}: {}", target_.str(), question, why)));
    return;
  }
  const auto& valid = config_->valid_rcodes;
  if (std::find(valid.begin(), valid.end(), answer.rcode) == valid.end()) {
    result.fail("status", detail_text(fmt::format("{} answered {} for {}, wanted {}", target_.str(), answer.rcode,
                                                  question, fmt::join(valid, ", "))));
    return;
  }
  const std::tuple<std::string_view, const RecordChecks&, const std::vector<std::string>&> sections[] = {
      {"answer", config_->validate_answer_rrs, answer.answer},
      {"authority", config_->validate_authority_rrs, answer.authority},
      {"additional", config_->validate_additional_rrs, answer.additional}};
  for (const auto& [name, checks, records] : sections) {
    const std::string fault = records_fault(checks, records);
    if (fault.empty()) continue;
    result.fail("assertion",
                detail_text(fmt::format("{}: the {} section for {} {}", target_.str(), name, question, fault)));
    return;
  }
  result.success = true;
}

asio::awaitable<ProbeResult> DnsProbe::run(Deadline deadline) {
  ProbeResult result;
  result.metrics = dns_metrics();
  DnsResult asked;
  const std::optional<Resolved> resolved =
      co_await resolve_target(services_, target_.host, config_->ip, deadline, result);
  const double resolve_seconds = result.samples.front().value;  // probe_dns_lookup_time_seconds
  if (resolved) {
    const Result<DnsServer> to = server(*resolved);
    if (to) {
      const DnsQuery query{config_->query_name, config_->query_type, config_->query_class, config_->recursion_desired};
      asked = co_await ask_dns(query, *to, deadline);
      judge(asked, result);
    } else {
      result.fail("internal", detail_text(to.error().message));
    }
  }
  const bool answered = result.success || (asked.ok() && !asked.answer.rcode.empty());
  constexpr std::string_view kPhases = "probe_dns_duration_seconds";
  result.add(kPhases, {{"phase", "resolve"}}, resolved ? resolve_seconds : 0);
  result.add(kPhases, {{"phase", "connect"}}, asked.connect_seconds);
  result.add(kPhases, {{"phase", "request"}}, asked.request_seconds);
  const auto count = [](const std::vector<std::string>& records) { return static_cast<double>(records.size()); };
  result.add("probe_dns_answer_rrs", count(asked.answer.answer));
  result.add("probe_dns_authority_rrs", count(asked.answer.authority));
  result.add("probe_dns_additional_rrs", count(asked.answer.additional));
  result.add("probe_dns_query_succeeded", answered ? 1 : 0);
  if (answered && config_->query_type == "SOA") result.add("probe_dns_serial", asked.answer.soa_serial.value_or(0));
  if (asked.tls) add_tls_samples(*asked.tls, result);
  co_return result;
}

ProbeFactory read_dns(Fields& f, const ProbeTarget& target) {
  auto config = std::make_shared<DnsProbeConfig>();
  config->fields(f);
  if (!f.reading()) return {};
  const std::uint16_t port = config->dns_over_tls ? 853 : 53;
  const Result<HostPort> host_port = parse_host_port(target.address, port);
  if (!host_port) {
    f.mistake_at("targets", fmt::format("The target {}.", host_port.error().message));
    return {};
  }
  return [config = std::shared_ptr<const DnsProbeConfig>(std::move(config)), to = *host_port](ProbeServices& services) {
    return std::make_unique<DnsProbe>(config, to, services);
  };
}

}  // namespace

const ProbeType kDnsProbe{
    .name = "dns", .summary = "Asks a DNS server for a name and judges the answer.", .read = read_dns};

}  // namespace tocsin
