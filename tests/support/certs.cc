#include "tests/support/certs.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <functional>
#include <stdexcept>

namespace tocsin::test {

namespace {

std::string pem_of(const std::function<int(BIO*)>& write) {
  BIO* bio = BIO_new(BIO_s_mem());
  if (write(bio) != 1) throw std::runtime_error("cannot write PEM");
  char* data = nullptr;
  const long length = BIO_get_mem_data(bio, &data);
  std::string out(data, static_cast<std::size_t>(length));
  BIO_free(bio);
  return out;
}

std::string pem_of(X509* certificate) {
  return pem_of([certificate](BIO* bio) { return PEM_write_bio_X509(bio, certificate); });
}

std::string pem_of(EVP_PKEY* key) {
  return pem_of([key](BIO* bio) { return PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr); });
}

void add_name(X509_NAME* name, const char* field, const std::string& value) {
  if (value.empty()) return;
  X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(value.c_str()), -1, -1,
                             0);
}

void add_extension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  if (extension == nullptr) throw std::runtime_error("cannot make the extension " + value);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

/// Signed by `issuer_key`; `issuer` null: by itself.
X509* make(const CertOptions& options, EVP_PKEY* key, X509* issuer, EVP_PKEY* issuer_key, bool is_ca) {
  X509* certificate = X509_new();
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), options.serial);
  X509_gmtime_adj(X509_getm_notBefore(certificate), options.not_before.count());
  X509_gmtime_adj(X509_getm_notAfter(certificate), options.not_after.count());
  X509_set_pubkey(certificate, key);
  X509_NAME* name = X509_get_subject_name(certificate);
  add_name(name, "O", options.organization);
  add_name(name, "CN", options.common_name);
  X509_set_issuer_name(certificate, issuer == nullptr ? name : X509_get_subject_name(issuer));
  add_extension(certificate, issuer == nullptr ? certificate : issuer, NID_basic_constraints,
                is_ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
  std::string names;
  for (const std::string& dns : options.names) names += (names.empty() ? "DNS:" : ",DNS:") + dns;
  for (const std::string& ip : options.addresses) names += (names.empty() ? "IP:" : ",IP:") + ip;
  if (!is_ca && !names.empty()) add_extension(certificate, certificate, NID_subject_alt_name, names);
  if (X509_sign(certificate, issuer_key, EVP_sha256()) == 0) throw std::runtime_error("cannot sign");
  return certificate;
}

Identity finish(X509* certificate, EVP_PKEY* key) {
  Identity identity{pem_of(certificate), pem_of(key)};
  X509_free(certificate);
  EVP_PKEY_free(key);
  return identity;
}

}  // namespace

TestCa::TestCa(const std::string& common_name) : key_(EVP_EC_gen("P-256")) {
  CertOptions options;
  options.common_name = common_name;
  options.not_after = std::chrono::hours(24 * 365);
  options.serial = 1;
  certificate_ = make(options, key_, nullptr, key_, true);
  pem_ = pem_of(certificate_);
}

TestCa::~TestCa() {
  X509_free(certificate_);
  EVP_PKEY_free(key_);
}

Identity TestCa::issue(const CertOptions& options) const {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  return finish(make(options, key, certificate_, key_, false), key);
}

Identity self_signed(const CertOptions& options) {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  return finish(make(options, key, nullptr, key, false), key);
}

}  // namespace tocsin::test
