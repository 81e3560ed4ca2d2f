// Certificates are wanted also, and most of all, when they are bad. OpenSSL forgets a chain it refuses, so every
// context gets a verify callback that notes the chain as sent before it lets OpenSSL judge it. The notes hang on the
// SSL object, and tls_info() reads them from there.
//
// The trust store of the system is OpenSSL's hashed folder, which is read lazily: only the CAs that are asked for are
// parsed.

#include "agent/net/tls.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <cstring>

#include "agent/net/handshake.h"

namespace tocsin {

namespace {

void free_notes(void*, void* notes, CRYPTO_EX_DATA*, int, long, void*) {
  delete static_cast<TlsInfo*>(notes);
}

int notes_index() {
  static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, free_notes);
  return index;
}

using Sink = std::shared_ptr<std::optional<TlsInfo>>;
void free_sink(void*, void* sink, CRYPTO_EX_DATA*, int, long, void*) {
  delete static_cast<Sink*>(sink);
}

int sink_index() {
  static const int index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, free_sink);
  return index;
}

void free_text(void*, void* text, CRYPTO_EX_DATA*, int, long, void*) {
  delete static_cast<std::string*>(text);
}

int sni_index() {
  static const int index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, free_text);
  return index;
}

void read_session(const SSL* ssl, TlsInfo& info) {
  switch (SSL_version(ssl)) {
    case TLS1_VERSION:
      info.version = "TLS 1.0";
      break;
    case TLS1_1_VERSION:
      info.version = "TLS 1.1";
      break;
    case TLS1_2_VERSION:
      info.version = "TLS 1.2";
      break;
    case TLS1_3_VERSION:
      info.version = "TLS 1.3";
      break;
    default:
      info.version = SSL_get_version(ssl);
  }
  const SSL_CIPHER* cipher = SSL_get_current_cipher(ssl);
  const char* name = cipher == nullptr ? nullptr : SSL_CIPHER_standard_name(cipher);
  info.cipher = name == nullptr ? "" : name;
}

std::optional<TimePoint> earliest(const std::vector<CertificateInfo>& chain) {
  std::optional<TimePoint> first;
  for (const CertificateInfo& certificate : chain) {
    if (!first || certificate.not_after < *first) first = certificate.not_after;
  }
  return first;
}

std::vector<CertificateInfo> describe(STACK_OF(X509) * chain) {
  std::vector<CertificateInfo> out;
  for (int i = 0; i < sk_X509_num(chain); ++i) out.push_back(describe_certificate(sk_X509_value(chain, i)));
  return out;
}

int verify_and_note(X509_STORE_CTX* store, void*) {
  auto* ssl = static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  auto notes = std::make_unique<TlsInfo>();
  read_session(ssl, *notes);
  notes->chain = describe(X509_STORE_CTX_get0_untrusted(store));
  int trusted = 1;
  if (SSL_get_verify_mode(ssl) != SSL_VERIFY_NONE) {
    trusted = X509_verify_cert(store);
    if (trusted > 0) {
      notes->verified_expiry = earliest(describe(X509_STORE_CTX_get0_chain(store)));
    } else {
      notes->verify_error = X509_verify_cert_error_string(X509_STORE_CTX_get_error(store));
    }
  }
  if (const auto* sink = static_cast<Sink*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), sink_index()))) **sink = *notes;
  delete static_cast<TlsInfo*>(SSL_get_ex_data(ssl, notes_index()));
  SSL_set_ex_data(ssl, notes_index(), notes.release());
  return trusted > 0 ? 1 : 0;
}

void set_sni(const SSL* ssl, int where, int) {
  if ((where & SSL_CB_HANDSHAKE_START) == 0) return;
  const auto* name = static_cast<std::string*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), sni_index()));
  if (name != nullptr) SSL_set_tlsext_host_name(const_cast<SSL*>(ssl), name->c_str());
}

bool is_address(const std::string& name) {
  in6_addr ignored;
  return inet_pton(AF_INET, name.c_str(), &ignored) == 1 || inet_pton(AF_INET6, name.c_str(), &ignored) == 1;
}

int protocol_version(TlsVersion version, int otherwise) {
  switch (version) {
    case TlsVersion::kTls10:
      return TLS1_VERSION;
    case TlsVersion::kTls11:
      return TLS1_1_VERSION;
    case TlsVersion::kTls12:
      return TLS1_2_VERSION;
    case TlsVersion::kTls13:
      return TLS1_3_VERSION;
    case TlsVersion::kDefault:
      break;
  }
  return otherwise;
}

int give_passphrase(char* buffer, int size, int, void* passphrase) {
  const auto& text = *static_cast<const std::string*>(passphrase);
  const std::size_t length = std::min(text.size(), static_cast<std::size_t>(size));
  std::memcpy(buffer, text.data(), length);
  return static_cast<int>(length);
}

std::optional<Error> load_client_certificate(SSL_CTX* context, const TlsConfig& config) {
  if (config.cert_file.empty() && config.key_file.empty()) return std::nullopt;
  if (config.cert_file.empty()) return Error{"key_file is given without cert_file"};
  if (config.key_file.empty()) return Error{"cert_file is given without key_file"};
  Result<std::string> passphrase = config.key_file_passphrase.reveal();
  if (!passphrase) return passphrase.error().in("key_file_passphrase");
  if (SSL_CTX_use_certificate_chain_file(context, config.cert_file.c_str()) != 1) {
    return Error{fmt::format("cannot use the certificate in {}: {}", config.cert_file, openssl_error())};
  }
  SSL_CTX_set_default_passwd_cb(context, give_passphrase);
  SSL_CTX_set_default_passwd_cb_userdata(context, &*passphrase);
  const int loaded = SSL_CTX_use_PrivateKey_file(context, config.key_file.c_str(), SSL_FILETYPE_PEM);
  SSL_CTX_set_default_passwd_cb(context, nullptr);
  SSL_CTX_set_default_passwd_cb_userdata(context, nullptr);
  if (loaded != 1) return Error{fmt::format("cannot use the key in {}: {}", config.key_file, openssl_error())};
  if (SSL_CTX_check_private_key(context) != 1) {
    return Error{fmt::format("{} is not the key of {}: {}", config.key_file, config.cert_file, openssl_error())};
  }
  return std::nullopt;
}

}  // namespace

std::string openssl_error() {
  const unsigned long code = ERR_peek_last_error();
  ERR_clear_error();
  if (code == 0) return "unknown error";
  if (ERR_SYSTEM_ERROR(code)) return std::strerror(ERR_GET_REASON(code));
  const char* reason = ERR_reason_error_string(code);
  return reason == nullptr ? fmt::format("OpenSSL error {:x}", code) : reason;
}

Result<StorePtr> make_trust_store(const std::string& ca_file) {
  StorePtr store(X509_STORE_new());
  if (ca_file.empty()) {
    X509_STORE_set_default_paths(store.get());
    ERR_clear_error();  // a missing default file is no mistake
    return store;
  }
  if (X509_STORE_load_file(store.get(), ca_file.c_str()) != 1) {
    return fail("cannot read CA certificates from {}: {}", ca_file, openssl_error());
  }
  return store;
}

std::optional<Error> arm_context(SSL_CTX* context, const TlsConfig& config, X509_STORE* store, Sink sink) {
  // Go's default, and what browsers take.
  const int least = protocol_version(config.min_version, TLS1_2_VERSION);
  SSL_CTX_set_min_proto_version(context, least);
  SSL_CTX_set_max_proto_version(context, protocol_version(config.max_version, 0));
  // OpenSSL 3 does TLS 1.0 and 1.1 at security level 0 only; whoever asks for them wants to know whether the peer does
  // them.
  if (least < TLS1_2_VERSION) SSL_CTX_set_security_level(context, 0);
  // A handshake in the middle of a connection would run the verify callback long after its owner went.
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION);
  if (store != nullptr) SSL_CTX_set1_verify_cert_store(context, store);
  SSL_CTX_set_cert_verify_callback(context, verify_and_note, nullptr);
  if (sink != nullptr) SSL_CTX_set_ex_data(context, sink_index(), new Sink(std::move(sink)));
  return load_client_certificate(context, config);
}

void expect_name(X509_VERIFY_PARAM* param, const std::string& name) {
  if (is_address(name)) {
    X509_VERIFY_PARAM_set1_ip_asc(param, name.c_str());
    return;
  }
  // The subject's CN is not a name of the host any more (RFC 9525, and Go since 1.15).
  X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  const std::size_t length = name.ends_with('.') ? name.size() - 1 : name.size();
  X509_VERIFY_PARAM_set1_host(param, name.data(), length);
}

void force_sni(SSL_CTX* context, const std::string& name) {
  if (is_address(name)) return;
  SSL_CTX_set_ex_data(context, sni_index(), new std::string(name));
  SSL_CTX_set_info_callback(context, set_sni);
}

Result<std::shared_ptr<SSL_CTX>> make_tls_context(const TlsConfig& config) {
  std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_client_method()), SSL_CTX_free);
  if (context == nullptr) return fail("cannot make a TLS context: {}", openssl_error());
  Result<StorePtr> store = make_trust_store(config.ca_file);
  if (!store) return tl::make_unexpected(store.error());
  SSL_CTX_set_verify(context.get(), config.insecure_skip_verify ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, nullptr);
  if (auto error = arm_context(context.get(), config, store->get(), nullptr)) return tl::make_unexpected(*error);
  return context;
}

TlsInfo tls_info(const SSL* ssl) {
  TlsInfo info;
  if (const auto* notes = static_cast<const TlsInfo*>(SSL_get_ex_data(ssl, notes_index()))) info = *notes;
  read_session(ssl, info);
  return info;
}

std::optional<Error> check_tls_files(const TlsConfig& config) {
  // Reading the system's trust store once per probe would take a large configuration minutes.
  if (config.ca_file.empty() && config.cert_file.empty() && config.key_file.empty()) return std::nullopt;
  std::string mistakes;
  const auto add = [&mistakes](const Error& error) { mistakes += (mistakes.empty() ? "" : "; ") + error.message; };
  if (const auto store = make_trust_store(config.ca_file); !store) add(store.error());
  const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context(SSL_CTX_new(TLS_client_method()), SSL_CTX_free);
  if (context != nullptr) {
    if (const auto error = load_client_certificate(context.get(), config)) add(*error);
  }
  if (mistakes.empty()) return std::nullopt;
  return Error{mistakes};
}

std::optional<TimePoint> TlsInfo::earliest_expiry() const {
  return earliest(chain);
}

void TlsConfig::fields(Fields& f) {
  f("insecure_skip_verify", insecure_skip_verify, "Take any certificate.");
  f("ca_file", ca_file, "CAs to trust (PEM) instead of the system's.");
  f("cert_file", cert_file, "The client's own certificate (PEM), with key_file.");
  f("key_file", key_file, "The key of cert_file (PEM).");
  f("key_file_passphrase", key_file_passphrase, "What key_file is encrypted with.");
  f("server_name", server_name, "The name to ask for (SNI) and to find in the certificate, instead of the host's.");
  f("min_version", min_version, "The oldest version of TLS to take; TLS12 when not given.");
  f("max_version", max_version, "The newest version of TLS to take.");
  const bool both = min_version != TlsVersion::kDefault && max_version != TlsVersion::kDefault;
  if (f.reading() && both && max_version < min_version)
    f.mistake_at("max_version", "\"max_version\" is below min_version.");
  if (f.reading() && cert_file.empty() != key_file.empty()) {
    f.mistake_at(cert_file.empty() ? "key_file" : "cert_file", "\"cert_file\" and \"key_file\" go together.");
  }
}

}  // namespace tocsin
