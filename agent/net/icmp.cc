// An unprivileged ping socket (SOCK_DGRAM) is tried first: the kernel gives it an id and delivers only replies to that
// id. A raw socket sees all ICMP traffic of the host and must look for its own. Both are connected, so that the kernel
// filters by sender, and both ask for errors (IP_RECVERR), so that "host unreachable" is an answer and not a timeout.
//
// The round trip ends when the kernel took the reply in, not when this thread got round to reading it (SO_TIMESTAMPNS).

#include "agent/net/icmp.h"

#include <arpa/inet.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <sys/socket.h>

#include <array>
#include <boost/asio/this_coro.hpp>
#include <cerrno>
#include <cstring>
#include <ctime>

#include "agent/core/clock.h"
#include "agent/net/completion.h"
#include "agent/net/own_fd.h"
#include "agent/net/watched_socket.h"

namespace tocsin {

namespace asio = boost::asio;

namespace {

constexpr std::size_t kHeaderBytes = 8;

struct Address {
  sockaddr_storage storage{};
  socklen_t length = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

Address to_sockaddr(const asio::ip::address& from) {
  Address out;
  if (from.is_v6()) {
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_scope_id = static_cast<std::uint32_t>(from.to_v6().scope_id());
    const auto bytes = from.to_v6().to_bytes();
    std::memcpy(&v6.sin6_addr, bytes.data(), bytes.size());
    std::memcpy(&out.storage, &v6, sizeof v6);
    out.length = sizeof v6;
  } else {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    const auto bytes = from.to_v4().to_bytes();
    std::memcpy(&v4.sin_addr, bytes.data(), bytes.size());
    std::memcpy(&out.storage, &v4, sizeof v4);
    out.length = sizeof v4;
  }
  return out;
}

void put16(std::string& packet, std::size_t at, std::uint16_t value) {
  packet[at] = static_cast<char>(value >> 8);
  packet[at + 1] = static_cast<char>(value & 255);
}

std::uint16_t get16(std::string_view packet, std::size_t at) {
  return static_cast<std::uint16_t>(static_cast<unsigned char>(packet[at]) << 8 |
                                    static_cast<unsigned char>(packet[at + 1]));
}

std::string make_packet(const EchoRequest& request) {
  std::string packet(kHeaderBytes, '\0');
  packet[0] = static_cast<char>(request.to.is_v6() ? ICMP6_ECHO_REQUEST : ICMP_ECHO);
  put16(packet, 4, request.id);
  put16(packet, 6, request.sequence);
  packet += request.payload;
  // ICMPv6's checksum covers the addresses; the kernel fills it in.
  if (!request.to.is_v6()) put16(packet, 2, internet_checksum(packet));
  return packet;
}

EchoFailure failure_of(int error) {
  switch (error) {
    case EACCES:
    case EPERM:
      return EchoFailure::kPermission;
    case EAFNOSUPPORT:
    case EPROTONOSUPPORT:
    case EINVAL:
      return EchoFailure::kUnsupported;
    case EHOSTUNREACH:
    case ENETUNREACH:
    case ECONNREFUSED:
    case EHOSTDOWN:
    case ENETDOWN:
    case ENONET:
    case EADDRNOTAVAIL:
    case EMSGSIZE:
      return EchoFailure::kUnreachable;
    default:
      return EchoFailure::kInternal;
  }
}

/// The socket, and what is read from it until the reply is there.
class Pinger {
 public:
  Pinger(EchoRequest request, const asio::any_io_executor& executor)
      : request_(std::move(request)), executor_(executor), completion(executor) {}
  ~Pinger() {
    if (watched_ != nullptr) watched_->stop();
  }
  Pinger(const Pinger&) = delete;

  bool open();
  bool send();

  EchoResult result;

 private:
  bool fail_with(std::string_view what, int error);
  bool configure();
  void receive();
  bool read_one();
  bool is_reply(std::string_view packet) const;
  void finish(const msghdr& message);

  EchoRequest request_;
  asio::any_io_executor executor_;
  OwnFd fd_;
  bool raw_ = false;
  Deadline sent_{};
  std::shared_ptr<WatchedSocket> watched_;

 public:
  Completion completion;
};

bool Pinger::fail_with(std::string_view what, int error) {
  result.failure = failure_of(error);
  result.error = fmt::format("ping {}: {}: {}", request_.to.to_string(), what, std::strerror(error));
  return false;
}

bool Pinger::open() {
  const bool v6 = request_.to.is_v6();
  if (v6 && request_.dont_fragment) {
    result.failure = EchoFailure::kUnsupported;
    result.error = "dont_fragment is for IPv4 only";
    return false;
  }
  const int family = v6 ? AF_INET6 : AF_INET;
  const int protocol = v6 ? static_cast<int>(IPPROTO_ICMPV6) : static_cast<int>(IPPROTO_ICMP);
  fd_.reset(socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol));
  if (!fd_.good()) {
    raw_ = true;
    fd_.reset(socket(family, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol));
  }
  if (!fd_.good()) {
    const int error = errno;
    fail_with("open a socket", error);
    if (result.failure == EchoFailure::kPermission) {
      result.error += " (allow the group in net.ipv4.ping_group_range, or give CAP_NET_RAW)";
    }
    return false;
  }
  return configure();
}

bool Pinger::configure() {
  const bool v6 = request_.to.is_v6();
  const int level = v6 ? static_cast<int>(IPPROTO_IPV6) : static_cast<int>(IPPROTO_IP);
  const auto set = [this](int at, int name, int value) {
    return setsockopt(fd_.get(), at, name, &value, sizeof value) == 0;
  };
  bool good = set(level, v6 ? IPV6_RECVHOPLIMIT : IP_RECVTTL, 1) && set(level, v6 ? IPV6_RECVERR : IP_RECVERR, 1) &&
              set(SOL_SOCKET, SO_TIMESTAMPNS, 1);
  if (good && request_.ttl > 0) good = set(level, v6 ? IPV6_UNICAST_HOPS : IP_TTL, request_.ttl);
  if (good && request_.dont_fragment) good = set(level, IP_MTU_DISCOVER, IP_PMTUDISC_DO);
  if (!good) return fail_with("set an option", errno);
  if (!request_.source_address.empty()) {
    boost::system::error_code error;
    const auto source = asio::ip::make_address(request_.source_address, error);
    if (error || source.is_v6() != v6) return fail_with("bind to " + request_.source_address, EAFNOSUPPORT);
    const Address from = to_sockaddr(source);
    if (bind(fd_.get(), from.get(), from.length) != 0) return fail_with("bind to " + request_.source_address, errno);
  }
  const Address to = to_sockaddr(request_.to);
  if (connect(fd_.get(), to.get(), to.length) != 0) return fail_with("connect", errno);
  watched_ = WatchedSocket::make(executor_, fd_.get(), [this](bool, bool) { receive(); });
  return watched_ != nullptr || fail_with("watch the socket", EMFILE);
}

bool Pinger::send() {
  const std::string packet = make_packet(request_);
  watched_->watch(true, false);
  sent_ = SystemClock().steady();
  if (::send(fd_.get(), packet.data(), packet.size(), 0) < 0) return fail_with("send", errno);
  return true;
}

void Pinger::receive() {
  while (!completion.done() && read_one()) {
  }
}

/// False when there is nothing more to read now.
bool Pinger::read_one() {
  std::array<char, 65536> packet;
  std::array<char, 512> control;
  iovec part{packet.data(), packet.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t got = recvmsg(fd_.get(), &message, MSG_DONTWAIT);
  if (got < 0) {
    if (errno == EAGAIN || errno == EINTR) return false;
    fail_with("waiting for the reply", errno);
    completion.set();
    return false;
  }
  std::string_view bytes(packet.data(), static_cast<std::size_t>(got));
  if (raw_ && !request_.to.is_v6()) {  // a raw IPv4 socket shows the IP header
    const std::size_t header = bytes.empty() ? 0 : (static_cast<unsigned char>(bytes[0]) & 15U) * 4U;
    bytes.remove_prefix(std::min(header, bytes.size()));
  }
  if (is_reply(bytes)) finish(message);
  return true;
}

bool Pinger::is_reply(std::string_view packet) const {
  if (packet.size() < kHeaderBytes) return false;
  const int type = static_cast<unsigned char>(packet[0]);
  if (type != (request_.to.is_v6() ? ICMP6_ECHO_REPLY : ICMP_ECHOREPLY) || packet[1] != 0) return false;
  if (raw_ && get16(packet, 4) != request_.id) return false;
  return get16(packet, 6) == request_.sequence && packet.substr(kHeaderBytes) == request_.payload;
}

void Pinger::finish(const msghdr& message) {
  const std::chrono::duration<double> whole = SystemClock().steady() - sent_;
  double waited = 0;
  auto* head = const_cast<msghdr*>(&message);
  for (cmsghdr* item = CMSG_FIRSTHDR(head); item != nullptr; item = CMSG_NXTHDR(head, item)) {
    const bool ttl = item->cmsg_level == IPPROTO_IP && item->cmsg_type == IP_TTL;
    const bool hops = item->cmsg_level == IPPROTO_IPV6 && item->cmsg_type == IPV6_HOPLIMIT;
    if (ttl || hops) {
      int value = 0;
      std::memcpy(&value, CMSG_DATA(item), sizeof value);
      result.hop_limit = value;
    }
    if (item->cmsg_level == SOL_SOCKET && item->cmsg_type == SCM_TIMESTAMPNS) {
      timespec arrived{};
      timespec now{};
      std::memcpy(&arrived, CMSG_DATA(item), sizeof arrived);
      clock_gettime(CLOCK_REALTIME, &now);
      waited =
          static_cast<double>(now.tv_sec - arrived.tv_sec) + static_cast<double>(now.tv_nsec - arrived.tv_nsec) / 1e9;
    }
  }
  const bool plausible = waited > 0 && waited < whole.count();  // the wall clock may be set in between
  result.rtt_seconds = whole.count() - (plausible ? waited : 0);
  completion.set();
}

}  // namespace

std::uint16_t internet_checksum(std::string_view bytes) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const std::uint32_t byte = static_cast<unsigned char>(bytes[i]);
    sum += i % 2 == 0 ? byte << 8 : byte;
    sum = (sum & 0xffffU) + (sum >> 16);
  }
  return static_cast<std::uint16_t>(~sum & 0xffffU);
}

asio::awaitable<EchoResult> ping(EchoRequest request, Deadline deadline) {
  const Deadline start = SystemClock().steady();
  Pinger pinger(std::move(request), co_await asio::this_coro::executor);
  if (!pinger.open()) co_return std::move(pinger.result);
  const std::chrono::duration<double> setup = SystemClock().steady() - start;
  pinger.result.setup_seconds = setup.count();
  if (!pinger.send()) co_return std::move(pinger.result);
  const bool ended = co_await pinger.completion.wait(deadline);
  if (!ended) {
    pinger.result.failure = EchoFailure::kTimeout;
    pinger.result.error = "no reply in time";
  }
  co_return std::move(pinger.result);
}

}  // namespace tocsin
