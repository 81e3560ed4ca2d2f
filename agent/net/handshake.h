#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <optional>
#include <string>

#include "agent/core/result.h"
#include "agent/net/tls.h"

/// What tls.cc, stream.cc and http_client.cc share: arming an OpenSSL context (curl's own one, too) so that a handshake
/// tells what it saw, also when it fails.
namespace tocsin {

/// Applies `config` to a client's context and makes every handshake on it take notes for tls_info(). With a `sink`, the
/// notes are copied there as well (curl frees its SSL before anybody could ask). `store` replaces the context's trust
/// store.
std::optional<Error> arm_context(SSL_CTX* context, const TlsConfig& config, X509_STORE* store,
                                 std::shared_ptr<std::optional<TlsInfo>> sink);

/// The certificate must be for `name`, a DNS name or a literal address.
void expect_name(X509_VERIFY_PARAM* param, const std::string& name);
/// Replaces the SNI that the owner of the SSL sets later (curl's is always the URL's host).
void force_sni(SSL_CTX* context, const std::string& name);

struct FreeStore {
  void operator()(X509_STORE* store) const { X509_STORE_free(store); }
};
using StorePtr = std::unique_ptr<X509_STORE, FreeStore>;
/// The CAs of `ca_file`, or the system's when it is empty.
Result<StorePtr> make_trust_store(const std::string& ca_file);

/// The newest entry of OpenSSL's error queue as text; clears the queue.
std::string openssl_error();

}  // namespace tocsin
