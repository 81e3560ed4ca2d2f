// One exchange is one easy handle, set up from nothing each time. Three things are not curl's here: names are resolved
// by our Resolver and handed to curl (its own resolver would start a thread for each), the trust store is ours and
// shared by all transfers, and certificates are judged in our verify callback, which remembers what it saw (tls.cc).

#include "agent/net/http_client.h"

#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cstring>

#include "agent/core/clock.h"
#include "agent/net/http_transfer.h"
#include "agent/net/smtp.h"

namespace tocsin {

namespace asio = boost::asio;

std::string_view header(const HttpHeaders& headers, std::string_view name) {
  for (const auto& [key, value] : headers) {
    if (key.size() == name.size() && strncasecmp(key.data(), name.data(), name.size()) == 0) return value;
  }
  return "";
}

std::string_view to_string(HttpFailure failure) {
  switch (failure) {
    case HttpFailure::kNone:
      return "none";
    case HttpFailure::kResolve:
      return "resolve";
    case HttpFailure::kConnect:
      return "connect";
    case HttpFailure::kTls:
      return "tls";
    case HttpFailure::kCertificate:
      return "certificate";
    case HttpFailure::kTimeout:
      return "timeout";
    case HttpFailure::kSend:
      return "send";
    case HttpFailure::kReceive:
      return "receive";
    case HttpFailure::kProtocol:
      return "protocol";
    case HttpFailure::kBodyTooLarge:
      return "body_too_large";
    case HttpFailure::kBadUrl:
      return "bad_url";
    case HttpFailure::kInternal:
      return "internal";
  }
  return "internal";
}

Result<X509_STORE*> TrustStores::get(const std::string& ca_file) {
  struct stat status {};
  if (!ca_file.empty() && stat(ca_file.c_str(), &status) != 0) {
    return fail("cannot read CA certificates from {}: {}", ca_file, std::strerror(errno));
  }
  Entry& entry = stores_[ca_file];
  const bool same = entry.size == status.st_size && entry.changed.tv_sec == status.st_mtim.tv_sec &&
                    entry.changed.tv_nsec == status.st_mtim.tv_nsec;
  if (entry.store != nullptr && same) return entry.store.get();
  Result<StorePtr> made = make_trust_store(ca_file);
  if (!made) return tl::make_unexpected(made.error());
  entry = {std::move(*made), status.st_size, status.st_mtim};
  return entry.store.get();
}

struct HttpClient::Impl {
  explicit Impl(const asio::any_io_executor& executor_) : executor(executor_), resolver(executor_), multi(executor_) {}

  asio::any_io_executor executor;
  Resolver resolver;
  TrustStores stores;
  CurlMulti multi;
  std::size_t in_flight = 0;
};

namespace {

struct Counted {
  explicit Counted(std::size_t& counter_) : counter(counter_) { ++counter; }
  ~Counted() { --counter; }
  Counted(const Counted&) = delete;
  std::size_t& counter;
};

HttpResponse failed(HttpFailure failure, std::string error) {
  HttpResponse response;
  response.failure = failure;
  response.error = std::move(error);
  return response;
}

}  // namespace

HttpClient::HttpClient(asio::any_io_executor executor) : impl_(std::make_shared<Impl>(executor)) {}
HttpClient::~HttpClient() = default;
std::size_t HttpClient::in_flight() const {
  return impl_->in_flight;
}

asio::awaitable<HttpResponse> HttpClient::fetch(HttpRequest request, Deadline deadline) {
  const std::shared_ptr<Impl> impl = impl_;
  const Counted counted(impl->in_flight);
  const Deadline start = SystemClock().steady();

  const Result<HttpPeer> peer = http_peer(request);
  if (!peer) co_return failed(HttpFailure::kBadUrl, peer.error().message);
  std::vector<asio::ip::address> addresses;
  if (peer->needs_lookup) {
    auto found = co_await impl->resolver.resolve_all(peer->host, AF_UNSPEC, deadline);
    if (!found) {
      const bool late = SystemClock().steady() >= deadline;
      co_return failed(late ? HttpFailure::kTimeout : HttpFailure::kResolve, found.error().message);
    }
    addresses = std::move(*found);
  }

  const std::chrono::duration<double> resolving = SystemClock().steady() - start;
  HttpTransfer transfer(impl->multi, impl->stores, std::move(request), impl->executor);
  if (auto error = transfer.prepare(*peer, addresses)) co_return failed(error->failure, error->message);
  transfer.start();
  const bool ended = co_await transfer.completion.wait(deadline);
  co_return transfer.finish(ended, peer->needs_lookup ? resolving.count() : 0);
}

asio::awaitable<SmtpResponse> HttpClient::send_mail(SmtpRequest request, Deadline deadline) {
  const std::shared_ptr<Impl> impl = impl_;
  const Counted counted(impl->in_flight);
  co_return co_await tocsin::send_mail(impl->resolver, std::move(request), deadline);
}

}  // namespace tocsin
