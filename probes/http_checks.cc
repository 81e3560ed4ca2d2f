#include "probes/http_checks.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "probes/cookies.h"
#include "probes/target.h"
#include "probes/url.h"

namespace tocsin {
namespace {

/// Keeps the first failure only.
class Verdict {
 public:
  explicit Verdict(ProbeResult& result) : result_(result), good_(result.cause.empty()) {}
  bool good() const { return good_; }
  void fail(std::string_view cause, std::string detail) {
    if (good_) result_.fail(cause, detail_text(std::move(detail)));
    good_ = false;
  }

 private:
  ProbeResult& result_;
  bool good_;
};

bool status_is_good(const HttpProbeConfig& config, int status) {
  if (config.valid_status_codes.empty()) return status >= 200 && status <= 299;
  return std::any_of(config.valid_status_codes.begin(), config.valid_status_codes.end(),
                     [status](const StatusRange& r) { return r.first <= status && status <= r.last; });
}

std::string wanted_status(const HttpProbeConfig& config) {
  if (config.valid_status_codes.empty()) return "2xx";
  std::string out;
  for (const StatusRange& range : config.valid_status_codes) {
    out += out.empty() ? "" : ", ";
    out += range.first == range.last ? fmt::format("{}", range.first) : fmt::format("{}-{}", range.first, range.last);
  }
  return out;
}

/// What is wrong with the headers, or "".
std::string header_fault(const HttpProbeConfig& config, const HttpHeaders& headers) {
  const auto check = [&headers](const HeaderMatch& wanted, bool must_match) -> std::string {
    bool present = false;
    bool matched = false;
    for (const auto& [name, value] : headers) {
      if (!equal_in_any_case(name, wanted.header)) continue;
      present = true;
      matched |= wanted.regexp.found_in(value);
    }
    if (!present) return wanted.allow_missing ? "" : fmt::format("the header {} is missing", wanted.header);
    if (matched == must_match) return "";
    return fmt::format("the header {} {} {}", wanted.header, must_match ? "does not match" : "matches",
                       quoted(wanted.regexp.text()));
  };
  for (const HeaderMatch& wanted : config.fail_if_header_matches) {
    if (std::string fault = check(wanted, false); !fault.empty()) return fault;
  }
  for (const HeaderMatch& wanted : config.fail_if_header_not_matches) {
    if (std::string fault = check(wanted, true); !fault.empty()) return fault;
  }
  return "";
}

/// What is wrong with the body, or "".
std::string body_fault(const HttpProbeConfig& config, std::string_view body) {
  for (const Pattern& pattern : config.fail_if_body_matches_regexp) {
    if (pattern.found_in(body)) return fmt::format("the body matches {}", quoted(pattern.text()));
  }
  for (const Pattern& pattern : config.fail_if_body_not_matches_regexp) {
    if (!pattern.found_in(body)) return fmt::format("the body does not match {}", quoted(pattern.text()));
  }
  return "";
}

std::string protocol_of(const HttpResponse& response) {
  return "HTTP/" + (response.http_version == "2" ? std::string("2.0") : response.http_version);
}

bool version_is_good(const HttpProbeConfig& config, const HttpResponse& response) {
  const std::string protocol = protocol_of(response);
  const auto& valid = config.valid_http_versions;
  return valid.empty() || std::any_of(valid.begin(), valid.end(), [&](const std::string& v) {
           return v == protocol || (v == "HTTP/2" && protocol == "HTTP/2.0");
         });
}

/// The length as Go's net/http knows it: -1 when nobody said.
double content_length(const HttpAnswer& answer) {
  const HttpResponse& response = answer.response;
  if (response.status == 0) return 0;
  if (answer.method != "HEAD" && (response.status == 204 || response.status == 304)) return 0;
  const bool chunked = response.http_version != "2" && !header(response.headers, "transfer-encoding").empty();
  if (chunked && answer.method != "HEAD") return -1;
  const std::string_view text = header(response.headers, "content-length");
  std::uint64_t length = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), length);
  if (error == std::errc() && end == text.data() + text.size()) return static_cast<double>(length);
  return response.http_version == "2" && response.wire_bytes == 0 && answer.method != "HEAD" ? 0 : -1;
}

/// "GET https://example.org/: connect to 192.0.2.1:443: Connection refused"
std::string failure_detail(const HttpAnswer& answer) {
  return fmt::format("{} {}: {}", answer.method, answer.url, answer.response.error);
}

void judge_body(const HttpProbeConfig& config, const HttpAnswer& answer, Verdict& verdict, ProbeResult& result) {
  const HttpResponse& response = answer.response;
  const bool decode = config.compression != Compression::kNone && config.compression != Compression::kIdentity;
  Decompressed decoded;
  if (decode) decoded = decompress(config.compression, response.body, config.body_size_limit.bytes);
  const std::string& body = decode ? decoded.bytes : response.body;
  const bool read = response.ok() && decoded.ok();

  bool regex_failed = false;
  if (verdict.good()) {
    const std::string fault = header_fault(config, response.headers);
    regex_failed = !fault.empty();
    if (regex_failed) verdict.fail("assertion", fmt::format("{} {}: {}", answer.method, answer.url, fault));
  }
  const bool has_body_checks =
      !config.fail_if_body_matches_regexp.empty() || !config.fail_if_body_not_matches_regexp.empty();
  if (verdict.good() && has_body_checks && !read) regex_failed = true;
  if (verdict.good() && read) {
    const std::string fault = body_fault(config, body);
    regex_failed = !fault.empty();
    if (regex_failed) verdict.fail("assertion", fmt::format("{} {}: {}", answer.method, answer.url, fault));
  }
  if (!response.ok()) {
    verdict.fail(cause_of(response.failure), failure_detail(answer));
  } else if (!decoded.ok()) {
    verdict.fail(decoded.too_large ? "body_size" : "protocol",
                 fmt::format("{} {}: {}", answer.method, answer.url, decoded.error));
  }
  result.add("probe_failed_due_to_regex", regex_failed ? 1 : 0);
  result.add("probe_http_uncompressed_body_length", answer.body_counts ? static_cast<double>(body.size()) : 0);
}

}  // namespace

std::string_view cause_of(HttpFailure failure) {
  switch (failure) {
    case HttpFailure::kNone:
      return "";
    case HttpFailure::kResolve:
      return "dns";
    case HttpFailure::kConnect:
      return "connect";
    case HttpFailure::kTls:
      return "tls";
    case HttpFailure::kCertificate:
      return "certificate";
    case HttpFailure::kTimeout:
      return "timeout";
    case HttpFailure::kBodyTooLarge:
      return "body_size";
    case HttpFailure::kSend:
    case HttpFailure::kReceive:
    case HttpFailure::kProtocol:
      return "protocol";
    case HttpFailure::kBadUrl:
    case HttpFailure::kInternal:
      return "internal";
  }
  return "internal";
}

void judge_http(const HttpProbeConfig& config, const HttpAnswer& answer, ProbeResult& result) {
  const HttpResponse& response = answer.response;
  const bool answered = response.status != 0;
  const bool over_tls = answered && answer.url.starts_with("https:");
  Verdict verdict(result);
  if (!answered) verdict.fail(cause_of(response.failure), failure_detail(answer));
  if (!status_is_good(config, response.status)) {
    verdict.fail("status", fmt::format("{} {}: status {}, wanted {}", answer.method, answer.url, response.status,
                                       wanted_status(config)));
  }
  judge_body(config, answer, verdict, result);
  if (!version_is_good(config, response)) {
    verdict.fail("assertion", fmt::format("{} {}: answered with {}, wanted {}", answer.method, answer.url,
                                          protocol_of(response), fmt::join(config.valid_http_versions, ", ")));
  }
  if (over_tls && config.fail_if_ssl) {
    verdict.fail("assertion", fmt::format("{} {}: answered over TLS", answer.method, answer.url));
  }
  if (!over_tls && config.fail_if_not_ssl) {
    verdict.fail("assertion", fmt::format("{} {}: answered without TLS", answer.method, answer.url));
  }
  result.success = verdict.good();

  result.add("probe_http_status_code", response.status);
  result.add("probe_http_content_length", content_length(answer));
  result.add("probe_http_ssl", over_tls ? 1 : 0);
  result.add("probe_http_version", answered ? std::strtod(response.http_version.c_str(), nullptr) : 0);
  if (const auto modified = parse_http_date(header(response.headers, "last-modified"))) {
    result.add("probe_http_last_modified_timestamp_seconds", to_seconds(*modified));
  }
  if (response.tls) add_tls_samples(*response.tls, result);
}

}  // namespace tocsin
