#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/core/config/fields.h"
#include "agent/core/result.h"
#include "agent/core/time.h"

using SSL_CTX = struct ssl_ctx_st;
using SSL = struct ssl_st;
using X509 = struct x509_st;

namespace tocsin {

enum class TlsVersion { kDefault, kTls10, kTls11, kTls12, kTls13 };
template <>
struct EnumNames<TlsVersion> {
  static constexpr EnumName<TlsVersion> kNames[] = {{TlsVersion::kDefault, ""},
                                                    {TlsVersion::kTls10, "TLS10"},
                                                    {TlsVersion::kTls11, "TLS11"},
                                                    {TlsVersion::kTls12, "TLS12"},
                                                    {TlsVersion::kTls13, "TLS13"}};
};

/// How a TLS client behaves; the keys of Prometheus' tls_config.
struct TlsConfig {
  bool insecure_skip_verify = false;
  std::string ca_file;
  std::string cert_file;
  Secret key_file_passphrase;
  std::string key_file;
  std::string server_name;
  TlsVersion min_version = TlsVersion::kDefault;
  TlsVersion max_version = TlsVersion::kDefault;
  void fields(Fields& f);
};

/// One certificate as the peer sent it.
struct CertificateInfo {
  std::string subject;  // RFC 2253, as Go prints: CN=…,O=…
  std::string issuer;
  std::string serial;              // hex
  std::string fingerprint_sha256;  // hex
  std::vector<std::string> dns_names;
  TimePoint not_before;
  TimePoint not_after;
};

CertificateInfo describe_certificate(const X509* certificate);

/// What a handshake showed, also when the certificate was refused.
struct TlsInfo {
  std::string version;  // "TLS 1.3"
  std::string cipher;   // IANA's name: "TLS_AES_128_GCM_SHA256"
  /// The chain as sent, leaf first.
  std::vector<CertificateInfo> chain;
  /// The verified chains' expiry: the latest of the chains' earliest expiries; none when not verified.
  std::optional<TimePoint> verified_expiry;
  /// Why the certificate is not trusted: "certificate has expired"; empty when it is (or when nothing was checked).
  std::string verify_error;

  /// The earliest expiry in the sent chain.
  std::optional<TimePoint> earliest_expiry() const;
};

/// A client's SSL_CTX for a config, with the system's trust store when no CA is named. Costly: make it once and keep
/// it.
Result<std::shared_ptr<SSL_CTX>> make_tls_context(const TlsConfig& config);
/// Reads what the handshake on `ssl` showed.
TlsInfo tls_info(const SSL* ssl);
/// Every mistake the files of `config` have, at load time.
std::optional<Error> check_tls_files(const TlsConfig& config);

}  // namespace tocsin
