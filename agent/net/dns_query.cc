// One question, one answer. ldns writes and reads the wire form; the exchange is ours, so that it suspends and so that
// phases can be measured. UDP answers that carry another id or another question may be forged and are passed over, as
// RFC 5452 wants.

#include "agent/net/dns_query.h"

#include <arpa/inet.h>
#include <ldns/ldns.h>
#include <openssl/rand.h>
#include <strings.h>
#include <sys/socket.h>

#include <array>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/this_coro.hpp>
#include <cerrno>
#include <cstring>

#include "agent/core/clock.h"
#include "agent/net/completion.h"
#include "agent/net/own_fd.h"
#include "agent/net/watched_socket.h"

namespace tocsin {

namespace asio = boost::asio;

namespace {

struct FreePacket {
  void operator()(ldns_pkt* packet) const { ldns_pkt_free(packet); }
};
using PacketPtr = std::unique_ptr<ldns_pkt, FreePacket>;
struct FreeName {
  void operator()(ldns_rdf* name) const { ldns_rdf_deep_free(name); }
};
using NamePtr = std::unique_ptr<ldns_rdf, FreeName>;

std::optional<ldns_rr_type> type_of(const std::string& text) {
  const ldns_rr_type type = ldns_get_rr_type_by_name(text.c_str());
  return type == 0 ? std::nullopt : std::optional(type);
}

std::optional<ldns_rr_class> class_of(const std::string& text) {
  const ldns_rr_class known = ldns_get_rr_class_by_name(text.c_str());
  return known == 0 ? std::nullopt : std::optional(known);
}

NamePtr name_of(const std::string& text) {
  return NamePtr(text.empty() ? nullptr : ldns_dname_new_frm_str(text.c_str()));
}

/// The names of dig and of the IANA registry.
std::string rcode_text(ldns_pkt_rcode rcode) {
  constexpr std::array<std::string_view, 12> kNames = {"NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN",
                                                       "NOTIMP",  "REFUSED", "YXDOMAIN", "YXRRSET",
                                                       "NXRRSET", "NOTAUTH", "NOTZONE",  "DSOTYPENI"};
  const auto number = static_cast<std::size_t>(rcode);
  return number < kNames.size() ? std::string(kNames[number]) : fmt::format("RCODE{}", number);
}

std::vector<std::string> records_of(const ldns_rr_list* list) {
  std::vector<std::string> out;
  for (std::size_t i = 0; i < ldns_rr_list_rr_count(list); ++i) {
    char* text = ldns_rr2str_fmt(ldns_output_format_nocomments, ldns_rr_list_rr(list, i));
    if (text == nullptr) continue;
    std::string line(text);
    LDNS_FREE(text);
    while (line.ends_with('\n') || line.ends_with(' ')) line.pop_back();
    out.push_back(std::move(line));
  }
  return out;
}

std::optional<std::uint32_t> serial_of(const ldns_rr_list* answer) {
  for (std::size_t i = 0; i < ldns_rr_list_rr_count(answer); ++i) {
    const ldns_rr* record = ldns_rr_list_rr(answer, i);
    if (ldns_rr_get_type(record) != LDNS_RR_TYPE_SOA || ldns_rr_rd_count(record) < 3) continue;
    return ldns_rdf2native_int32(ldns_rr_rdf(record, 2));
  }
  return std::nullopt;
}

bool asks_the_same(const ldns_rr* question, const DnsQuery& query) {
  const NamePtr name = name_of(query.name);
  return name != nullptr && ldns_dname_compare(ldns_rr_owner(question), name.get()) == 0 &&
         ldns_rr_get_type(question) == type_of(query.type) &&
         ldns_rr_get_class(question) == class_of(query.query_class);
}

std::uint16_t random_id() {
  std::array<unsigned char, 2> bytes{};
  RAND_bytes(bytes.data(), static_cast<int>(bytes.size()));
  return static_cast<std::uint16_t>(bytes[0] << 8 | bytes[1]);
}

DnsResult failed(DnsFailure failure, std::string error) {
  DnsResult result;
  result.failure = failure;
  result.error = std::move(error);
  return result;
}

DnsFailure failure_of(StreamFailure failure) {
  switch (failure) {
    case StreamFailure::kNone:
      return DnsFailure::kNone;
    case StreamFailure::kConnect:
      return DnsFailure::kConnect;
    case StreamFailure::kTimeout:
      return DnsFailure::kTimeout;
    case StreamFailure::kClosed:
    case StreamFailure::kReset:
      return DnsFailure::kClosed;
    case StreamFailure::kTls:
      return DnsFailure::kTls;
    case StreamFailure::kCertificate:
      return DnsFailure::kCertificate;
    case StreamFailure::kTooLong:
    case StreamFailure::kInternal:
      break;
  }
  return DnsFailure::kInternal;
}

double seconds_since(Deadline start) {
  return std::chrono::duration<double>(SystemClock().steady() - start).count();
}

/// The UDP socket and what came on it.
class UdpExchange {
 public:
  UdpExchange(const DnsQuery& query, std::uint16_t id, const asio::any_io_executor& executor)
      : query_(query), id_(id), executor_(executor), completion(executor) {}
  ~UdpExchange() {
    if (watched_ != nullptr) watched_->stop();
  }
  UdpExchange(const UdpExchange&) = delete;

  bool open(const DnsServer& server);
  bool send(const std::string& wire);

  DnsResult result;
  int passed_over = 0;

 private:
  bool fail_with(std::string_view what, int error);
  void receive();

  const DnsQuery& query_;
  std::uint16_t id_;
  asio::any_io_executor executor_;
  OwnFd fd_;
  std::shared_ptr<WatchedSocket> watched_;

 public:
  Completion completion;
};

bool UdpExchange::fail_with(std::string_view what, int error) {
  result.failure = DnsFailure::kConnect;
  result.error = fmt::format("{}: {}", what, std::strerror(error));
  return false;
}

bool UdpExchange::open(const DnsServer& server) {
  const asio::ip::udp::endpoint to(server.address, server.port);
  fd_.reset(socket(to.protocol().family(), SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd_.good()) return fail_with("open a socket", errno);
  if (!server.source_address.empty()) {
    boost::system::error_code error;
    const asio::ip::udp::endpoint from(asio::ip::make_address(server.source_address, error), 0);
    if (error) return fail_with("bind to " + server.source_address, EINVAL);
    if (bind(fd_.get(), from.data(), static_cast<socklen_t>(from.size())) != 0) {
      return fail_with("bind to " + server.source_address, errno);
    }
  }
  if (connect(fd_.get(), to.data(), static_cast<socklen_t>(to.size())) != 0) return fail_with("connect", errno);
  watched_ = WatchedSocket::make(executor_, fd_.get(), [this](bool, bool) { receive(); });
  return watched_ != nullptr || fail_with("watch the socket", EMFILE);
}

bool UdpExchange::send(const std::string& wire) {
  watched_->watch(true, false);
  return ::send(fd_.get(), wire.data(), wire.size(), 0) >= 0 || fail_with("send", errno);
}

void UdpExchange::receive() {
  std::array<char, 65536> bytes;
  while (!completion.done()) {
    const ssize_t got = recv(fd_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (got < 0) {
      if (errno == EAGAIN || errno == EINTR) return;
      fail_with("waiting for the answer", errno);  // an ICMP error: nobody listens there
      completion.set();
      return;
    }
    const std::string_view wire(bytes.data(), static_cast<std::size_t>(got));
    Result<DnsAnswer> answer = decode_dns_answer(wire, query_, id_);
    if (!answer) {
      ++passed_over;
      result.error = answer.error().message;
      continue;
    }
    result.error.clear();
    result.answer = std::move(*answer);
    completion.set();
  }
}

asio::awaitable<DnsResult> ask_udp(const DnsQuery& query, const DnsServer& server, std::string wire, std::uint16_t id,
                                   Deadline deadline) {
  const Deadline start = SystemClock().steady();
  UdpExchange exchange(query, id, co_await asio::this_coro::executor);
  if (!exchange.open(server)) co_return std::move(exchange.result);
  exchange.result.connect_seconds = seconds_since(start);
  const Deadline ready = SystemClock().steady();
  if (!exchange.send(wire)) co_return std::move(exchange.result);
  const bool ended = co_await exchange.completion.wait(deadline);
  exchange.result.request_seconds = seconds_since(ready);
  if (!ended && exchange.passed_over > 0) {
    exchange.result.failure = DnsFailure::kMalformed;
    exchange.result.error = fmt::format("only messages that are no answer came: {}", exchange.result.error);
  } else if (!ended) {
    exchange.result.failure = DnsFailure::kTimeout;
    exchange.result.error = "no answer in time";
  }
  co_return std::move(exchange.result);
}

asio::awaitable<DnsResult> ask_tcp(const DnsQuery& query, const DnsServer& server, std::string wire, std::uint16_t id,
                                   Deadline deadline) {
  const Deadline start = SystemClock().steady();
  Stream stream(co_await asio::this_coro::executor);
  const asio::ip::tcp::endpoint to(server.address, server.port);
  StreamResult step = co_await stream.connect(to, server.source_address, deadline);
  if (step.ok() && server.tls_context != nullptr) {
    step = co_await stream.start_tls(server.tls_context, server.tls_server_name, server.tls_verify, deadline);
  }
  DnsResult result;
  result.tls = stream.tls_info();
  result.connect_seconds = seconds_since(start);
  const Deadline ready = SystemClock().steady();
  std::string bytes;
  if (step.ok()) {
    std::string framed{static_cast<char>(wire.size() >> 8), static_cast<char>(wire.size() & 255)};
    framed += wire;
    step = co_await stream.write(std::move(framed), deadline);
  }
  if (step.ok()) step = co_await stream.read_exactly(bytes, 2, deadline);
  if (step.ok()) {
    const std::size_t length = static_cast<unsigned char>(bytes[0]) * 256U + static_cast<unsigned char>(bytes[1]);
    step = co_await stream.read_exactly(bytes, length, deadline);
  }
  result.request_seconds = seconds_since(ready);
  if (!step.ok()) {
    result.failure = failure_of(step.failure);
    result.error = step.error;
    co_return result;
  }
  Result<DnsAnswer> answer = decode_dns_answer(bytes, query, id);
  if (!answer) {
    result.failure = DnsFailure::kMalformed;
    result.error = answer.error().message;
    co_return result;
  }
  result.answer = std::move(*answer);
  co_return result;
}

}  // namespace

bool is_dns_type(std::string_view type) {
  return type_of(std::string(type)).has_value();
}
bool is_dns_class(std::string_view query_class) {
  return class_of(std::string(query_class)).has_value();
}

Result<std::string> encode_dns_query(const DnsQuery& query, std::uint16_t id) {
  const auto type = type_of(query.type);
  if (!type) return fail("\"{}\" is not a DNS record type", query.type);
  const auto rr_class = class_of(query.query_class);
  if (!rr_class) return fail("\"{}\" is not a DNS class", query.query_class);
  NamePtr name = name_of(query.name);
  if (name == nullptr) return fail("\"{}\" is not a DNS name", query.name);
  const std::uint16_t flags = query.recursion_desired ? LDNS_RD : 0;
  const PacketPtr packet(ldns_pkt_query_new(name.release(), *type, *rr_class, flags));
  if (packet == nullptr) return fail("cannot ask for {} {}", query.name, query.type);
  ldns_pkt_set_id(packet.get(), id);
  std::uint8_t* bytes = nullptr;
  std::size_t length = 0;
  const ldns_status status = ldns_pkt2wire(&bytes, packet.get(), &length);
  if (status != LDNS_STATUS_OK) return fail("cannot ask for {}: {}", query.name, ldns_get_errorstr_by_id(status));
  std::string out(reinterpret_cast<const char*>(bytes), length);
  LDNS_FREE(bytes);
  return out;
}

Result<DnsAnswer> decode_dns_answer(std::string_view wire, const DnsQuery& query, std::uint16_t id) {
  ldns_pkt* raw = nullptr;
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(wire.data());
  const ldns_status status = ldns_wire2pkt(&raw, bytes, wire.size());
  const PacketPtr packet(status == LDNS_STATUS_OK ? raw : nullptr);
  if (packet == nullptr) return fail("not a DNS message: {}", ldns_get_errorstr_by_id(status));
  if (!ldns_pkt_qr(packet.get())) return fail("a question, not an answer");
  if (ldns_pkt_id(packet.get()) != id) return fail("an answer with another id");
  const ldns_rr_list* questions = ldns_pkt_question(packet.get());
  const std::size_t count = ldns_rr_list_rr_count(questions);
  const ldns_pkt_rcode rcode = ldns_pkt_get_rcode(packet.get());
  // A server that could not read the question may leave it out.
  const bool same =
      count == 1 ? asks_the_same(ldns_rr_list_rr(questions, 0), query) : count == 0 && rcode != LDNS_RCODE_NOERROR;
  if (!same) return fail("an answer to another question");
  DnsAnswer answer;
  answer.rcode = rcode_text(rcode);
  answer.truncated = ldns_pkt_tc(packet.get());
  answer.authoritative = ldns_pkt_aa(packet.get());
  answer.recursion_available = ldns_pkt_ra(packet.get());
  answer.answer = records_of(ldns_pkt_answer(packet.get()));
  answer.authority = records_of(ldns_pkt_authority(packet.get()));
  answer.additional = records_of(ldns_pkt_additional(packet.get()));
  answer.soa_serial = serial_of(ldns_pkt_answer(packet.get()));
  return answer;
}

asio::awaitable<DnsResult> ask_dns(DnsQuery query, DnsServer server, Deadline deadline) {
  const std::uint16_t id = random_id();
  const Result<std::string> wire = encode_dns_query(query, id);
  if (!wire) co_return failed(DnsFailure::kBadQuery, wire.error().message);
  if (server.tls_context != nullptr && !server.tcp) co_return failed(DnsFailure::kBadQuery, "DNS over TLS needs TCP");
  if (server.tcp) co_return co_await ask_tcp(query, server, *wire, id, deadline);
  co_return co_await ask_udp(query, server, *wire, id, deadline);
}

}  // namespace tocsin
