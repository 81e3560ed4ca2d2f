// One c-ares channel per lookup: it is cancelled by destroying it, it uses a source port of its own, and a changed
// resolv.conf is seen at once. c-ares says which sockets it wants watched and when it wants to be called; Asio does
// both.

#include "agent/net/resolver.h"

#include <ares.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <boost/asio/ip/address.hpp>
#include <boost/asio/this_coro.hpp>
#include <cstring>

#include "agent/core/clock.h"
#include "agent/net/completion.h"
#include "agent/net/watched_socket.h"

namespace tocsin {

namespace asio = boost::asio;
using asio::ip::address;

namespace {

/// ares_library_init() is counted and not thread-safe; a local static is made once.
int ares_ready() {
  static const int status = ares_library_init(ARES_LIB_INIT_ALL);
  return status;
}

address to_address(const sockaddr* from) {
  if (from->sa_family == AF_INET6) {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(from);
    asio::ip::address_v6::bytes_type bytes;
    std::memcpy(bytes.data(), &v6->sin6_addr, bytes.size());
    return asio::ip::address_v6(bytes, v6->sin6_scope_id);
  }
  asio::ip::address_v4::bytes_type bytes;
  std::memcpy(bytes.data(), &reinterpret_cast<const sockaddr_in*>(from)->sin_addr, bytes.size());
  return asio::ip::address_v4(bytes);
}

class Lookup : public std::enable_shared_from_this<Lookup> {
 public:
  explicit Lookup(asio::any_io_executor executor) : executor_(executor), timer_(executor), completion(executor) {}
  ~Lookup() { stop(); }

  bool start(const std::string& host, int family) {
    if (ares_ready() != ARES_SUCCESS) return false;
    ares_options options{};
    options.sock_state_cb = &Lookup::on_socket;
    options.sock_state_cb_data = this;
    options.lookups = lookups_.data();
    if (ares_init_options(&channel_, &options, ARES_OPT_SOCK_STATE_CB | ARES_OPT_LOOKUPS) != ARES_SUCCESS) return false;
    ares_addrinfo_hints hints{};
    hints.ai_family = family;
    hints.ai_socktype = SOCK_STREAM;
    ares_getaddrinfo(channel_, host.c_str(), nullptr, &hints, &Lookup::on_answer, this);
    arm();
    return true;
  }

  /// Forgets the lookup; its sockets are closed. Not from inside a callback of c-ares.
  void stop() {
    timer_.cancel();
    if (channel_ != nullptr) ares_destroy(std::exchange(channel_, nullptr));
    for (auto& [fd, socket] : sockets_) socket->stop();
    sockets_.clear();
  }

  std::vector<address> addresses;
  int status = ARES_SUCCESS;

 private:
  static void on_answer(void* self, int status, int, ares_addrinfo* info) {
    auto& lookup = *static_cast<Lookup*>(self);
    lookup.status = status;
    if (info != nullptr) {
      for (const ares_addrinfo_node* node = info->nodes; node != nullptr; node = node->ai_next) {
        const bool internet = node->ai_family == AF_INET || node->ai_family == AF_INET6;
        if (internet) lookup.addresses.push_back(to_address(node->ai_addr));
      }
      ares_freeaddrinfo(info);
    }
    lookup.completion.set();
  }

  static void on_socket(void* self, ares_socket_t fd, int readable, int writable) {
    auto& lookup = *static_cast<Lookup*>(self);
    auto& socket = lookup.sockets_[fd];
    if (readable == 0 && writable == 0) {
      if (socket != nullptr) socket->stop();
      lookup.sockets_.erase(fd);
      return;
    }
    if (socket == nullptr) {
      socket = WatchedSocket::make(lookup.executor_, fd,
                                   [weak = lookup.weak_from_this(), fd](bool can_read, bool can_write) {
                                     if (const auto self_ = weak.lock()) self_->process(fd, can_read, can_write);
                                   });
    }
    if (socket != nullptr) socket->watch(readable != 0, writable != 0);
  }

  void process(int fd, bool can_read, bool can_write) {
    if (channel_ == nullptr) return;
    ares_process_fd(channel_, can_read ? fd : ARES_SOCKET_BAD, can_write ? fd : ARES_SOCKET_BAD);
    arm();
  }

  void arm() {
    timeval wait{};
    if (completion.done() || ares_timeout(channel_, nullptr, &wait) == nullptr) return;
    timer_.expires_after(std::chrono::seconds(wait.tv_sec) + std::chrono::microseconds(wait.tv_usec));
    timer_.async_wait([weak = weak_from_this()](boost::system::error_code error) {
      const auto self = weak.lock();
      if (!error && self != nullptr) self->process(ARES_SOCKET_BAD, false, false);
    });
  }

  asio::any_io_executor executor_;
  asio::steady_timer timer_;
  ares_channel channel_ = nullptr;
  std::map<int, std::shared_ptr<WatchedSocket>> sockets_;
  std::string lookups_ = "fb";  // files, then DNS

 public:
  Completion completion;
};

/// Stops the lookup however the coroutine ends.
struct LookupGuard {
  std::shared_ptr<Lookup> lookup;
  ~LookupGuard() { lookup->stop(); }
};

Result<address> choose(const std::vector<address>& found, IpPreference preference, const std::string& host) {
  const bool want_v6 = preference.preferred == IpProtocol::kIp6;
  for (const address& one : found) {
    if (one.is_v6() == want_v6) return one;
  }
  if (preference.fallback && !found.empty()) return found.front();
  return fail("{} has no {} address", host, want_v6 ? "IPv6" : "IPv4");
}

/// "[::1]" and "::1" are the same address.
std::optional<address> literal_address(std::string_view host) {
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  boost::system::error_code error;
  const address out = asio::ip::make_address(std::string(host), error);
  if (error) return std::nullopt;
  if (out.is_v6() && out.to_v6().is_v4_mapped()) return asio::ip::make_address_v4(asio::ip::v4_mapped, out.to_v6());
  return out;
}

}  // namespace

void IpPreference::fields(Fields& f) {
  f("preferred_ip_protocol", preferred, "The address family to try first.");
  f("ip_protocol_fallback", fallback, "Take an address of the other family when there is none of the preferred one.");
}

std::uint32_t Resolved::hash() const {
  std::uint32_t sum = 2166136261U;
  const auto add = [&sum](unsigned char byte) { sum = (sum ^ byte) * 16777619U; };
  if (address.is_v6()) {
    for (const unsigned char byte : address.to_v6().to_bytes()) add(byte);
  } else {
    for (const unsigned char byte : address.to_v4().to_bytes()) add(byte);
  }
  return sum;
}

struct Resolver::Impl {
  asio::any_io_executor executor;
};

Resolver::Resolver(asio::any_io_executor executor) : impl_(std::make_shared<Impl>(Impl{std::move(executor)})) {}
Resolver::~Resolver() = default;

asio::awaitable<Result<std::vector<address>>> Resolver::resolve_all(std::string host, int family, Deadline deadline) {
  if (const auto literal = literal_address(host)) co_return std::vector<address>{*literal};
  if (host.empty()) co_return fail("the host name is empty");
  const LookupGuard guard{std::make_shared<Lookup>(impl_->executor)};
  Lookup& lookup = *guard.lookup;
  if (!lookup.start(host, family)) co_return fail("cannot look up {}: c-ares does not start", host);
  const bool answered = co_await lookup.completion.wait(deadline);
  if (!answered) co_return fail("looking up {}: no answer in time", host);
  switch (lookup.status) {
    case ARES_SUCCESS:
      break;
    case ARES_ENODATA:
      co_return fail("{} has no address", host);
    case ARES_ENOTFOUND:
      co_return fail("{}: no such host", host);
    default:
      co_return fail("looking up {}: {}", host, ares_strerror(lookup.status));
  }
  co_return std::move(lookup.addresses);
}

asio::awaitable<Result<Resolved>> Resolver::resolve(std::string host, IpPreference preference, Deadline deadline) {
  const auto start = SystemClock().steady();
  // Without fallback only the wanted family is asked for: the other one's answer is not waited for.
  const int wanted = preference.preferred == IpProtocol::kIp6 ? AF_INET6 : AF_INET;
  const Result<std::vector<address>> found =
      co_await resolve_all(host, preference.fallback ? AF_UNSPEC : wanted, deadline);
  if (!found) co_return tl::make_unexpected(found.error());
  const Result<address> chosen = choose(*found, preference, host);
  if (!chosen) co_return tl::make_unexpected(chosen.error());
  const std::chrono::duration<double> took = SystemClock().steady() - start;
  co_return Resolved{*chosen, took.count()};
}

}  // namespace tocsin
