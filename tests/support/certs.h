#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

using X509 = struct x509_st;
using EVP_PKEY = struct evp_pkey_st;

namespace tocsin::test {

/// A certificate with its key, and the certificates between it and the CA.
struct Identity {
  std::string certificate_pem;  // leaf first, then the rest of what is to be sent
  std::string key_pem;
};

/// What a certificate says. Times are relative to now.
struct CertOptions {
  std::string common_name = "localhost";
  std::string organization = "";
  std::vector<std::string> names = {"localhost"};  // DNS
  std::vector<std::string> addresses = {"127.0.0.1", "::1"};
  std::chrono::seconds not_before = std::chrono::hours(-24);
  std::chrono::seconds not_after = std::chrono::hours(24 * 90);
  long serial = 0x1234;
};

/// A certificate authority made at run time.
///
///     const TestCa ca;
///     RawServer server(script, ca.issue());                                   // good
///     ca.issue({.not_after = std::chrono::hours(-1)});                        // expired
///     ca.issue({.names = {"other.example"}, .addresses = {}});                // wrong host
///     self_signed();                                                          // nobody vouches
class TestCa {
 public:
  explicit TestCa(const std::string& common_name = "tocsin test CA");
  ~TestCa();
  TestCa(const TestCa&) = delete;

  /// For ca_file.
  const std::string& pem() const { return pem_; }
  Identity issue(const CertOptions& options = {}) const;

 private:
  X509* certificate_ = nullptr;
  EVP_PKEY* key_ = nullptr;
  std::string pem_;
};

Identity self_signed(const CertOptions& options = {});

}  // namespace tocsin::test
