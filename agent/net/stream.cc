// Asio's socket and, once it is TLS, Asio's ssl::stream on top of it. A deadline is a timer that cancels the socket; as
// a timer may fire just as its operation ends, each operation has a number and a timer only cancels its own.

#include "agent/net/stream.h"

#include <openssl/err.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>

#include "agent/net/handshake.h"

namespace tocsin {

namespace asio = boost::asio;
using boost::system::error_code;
using tcp = asio::ip::tcp;

namespace {
constexpr std::size_t kReadBytes = 16384;
}

struct Stream::Impl {
  explicit Impl(const asio::any_io_executor& executor) : line(std::make_shared<Line>(executor)) {}

  /// What the timer's handler may still touch after the stream is gone.
  struct Line {
    explicit Line(const asio::any_io_executor& executor) : socket(executor), timer(executor) {}
    tcp::socket socket;
    asio::steady_timer timer;
    std::uint64_t operation = 0;
    bool timed_out = false;
  };

  /// One operation's deadline.
  class Guard {
   public:
    Guard(const std::shared_ptr<Line>& line, Deadline deadline) : line_(line) {
      line->timed_out = false;
      const std::uint64_t number = ++line->operation;
      line->timer.expires_at(deadline);
      line->timer.async_wait([line, number](error_code error) {
        if (error || line->operation != number) return;
        line->timed_out = true;
        error_code ignored;
        line->socket.cancel(ignored);
      });
    }
    ~Guard() {
      ++line_->operation;
      line_->timer.cancel();
    }
    Guard(const Guard&) = delete;

   private:
    std::shared_ptr<Line> line_;
  };

  struct Tls {
    Tls(SSL_CTX* own, tcp::socket& socket) : context(own), stream(socket, context) {}
    asio::ssl::context context;
    asio::ssl::stream<tcp::socket&> stream;
  };

  asio::awaitable<StreamResult> read_some(Deadline deadline);
  StreamResult failed(const error_code& error, StreamFailure otherwise) const;

  std::shared_ptr<Line> line;
  std::unique_ptr<Tls> tls;
  std::optional<TlsInfo> info;
  std::string buffer;
  bool closed = false;  // Asio waits for ever when it is asked to read again after the end
};

StreamResult Stream::Impl::failed(const error_code& error, StreamFailure otherwise) const {
  if (line->timed_out) return {StreamFailure::kTimeout, "timeout"};
  if (error == asio::error::operation_aborted) throw boost::system::system_error(error);
  if (error == asio::error::eof || error == asio::ssl::error::stream_truncated) {
    return {otherwise == StreamFailure::kInternal ? StreamFailure::kClosed : otherwise, "closed by the peer"};
  }
  if (error == asio::error::connection_reset || error == asio::error::broken_pipe) {
    return {otherwise == StreamFailure::kInternal ? StreamFailure::kReset : otherwise, "reset by the peer"};
  }
  if (error.category() == asio::error::get_ssl_category()) {
    const char* reason = ERR_reason_error_string(static_cast<unsigned long>(error.value()));
    return {StreamFailure::kTls, reason == nullptr ? error.message() : reason};
  }
  return {otherwise, error.message()};
}

Stream::Stream(asio::any_io_executor executor) : impl_(std::make_unique<Impl>(executor)) {}
Stream::~Stream() {
  if (impl_ != nullptr) close();
}
Stream::Stream(Stream&&) noexcept = default;
Stream& Stream::operator=(Stream&& other) noexcept {
  if (impl_ != nullptr && this != &other) close();
  impl_ = std::move(other.impl_);
  return *this;
}

asio::awaitable<StreamResult> Stream::connect(tcp::endpoint to, std::string source_address, Deadline deadline) {
  tcp::socket& socket = impl_->line->socket;
  const std::string where = fmt::format(fmt::runtime(to.address().is_v6() ? "connect to [{}]:{}" : "connect to {}:{}"),
                                        to.address().to_string(), to.port());
  error_code error;
  socket.open(to.protocol(), error);
  if (!error && !source_address.empty()) {
    const auto from = asio::ip::make_address(source_address, error);
    if (!error) socket.bind(tcp::endpoint(from, 0), error);
    if (error)
      co_return StreamResult{StreamFailure::kConnect,
                             fmt::format("{} from {}: {}", where, source_address, error.message())};
  }
  if (!error) {
    const Impl::Guard guard(impl_->line, deadline);
    co_await socket.async_connect(to, asio::redirect_error(asio::use_awaitable, error));
  }
  if (!error) {
    socket.set_option(tcp::no_delay(true), error);
    co_return StreamResult{};
  }
  StreamResult result = impl_->failed(error, StreamFailure::kConnect);
  result.error = fmt::format("{}: {}", where, result.error);
  co_return result;
}

asio::awaitable<StreamResult> Stream::start_tls(std::shared_ptr<SSL_CTX> context, std::string server_name, bool verify,
                                                Deadline deadline) {
  if (impl_->tls != nullptr) co_return StreamResult{StreamFailure::kInternal, "the stream is TLS already"};
  // Plain bytes after the peer's go-ahead are somebody else's words (CVE-2011-0411).
  if (!impl_->buffer.empty())
    co_return StreamResult{StreamFailure::kTls, "the peer sent more before the TLS handshake"};
  SSL_CTX_up_ref(context.get());  // asio::ssl::context lets one go
  impl_->tls = std::make_unique<Impl::Tls>(context.get(), impl_->line->socket);
  SSL* ssl = impl_->tls->stream.native_handle();
  SSL_set_verify(ssl, verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
  error_code not_address;
  asio::ip::make_address(server_name, not_address);
  if (!server_name.empty()) {
    expect_name(SSL_get0_param(ssl), server_name);
    if (not_address) SSL_set_tlsext_host_name(ssl, server_name.c_str());
  }
  error_code error;
  {
    const Impl::Guard guard(impl_->line, deadline);
    co_await impl_->tls->stream.async_handshake(asio::ssl::stream_base::client,
                                                asio::redirect_error(asio::use_awaitable, error));
  }
  impl_->info = tocsin::tls_info(ssl);
  if (!error) co_return StreamResult{};
  StreamResult result = impl_->failed(error, StreamFailure::kTls);
  if (result.failure == StreamFailure::kTls && !impl_->info->verify_error.empty()) {
    result = {StreamFailure::kCertificate, "certificate: " + impl_->info->verify_error};
  }
  result.error = "TLS handshake: " + result.error;
  co_return result;
}

asio::awaitable<StreamResult> Stream::write(std::string bytes, Deadline deadline) {
  error_code error;
  const auto from = asio::buffer(bytes);
  {
    const Impl::Guard guard(impl_->line, deadline);
    if (impl_->tls != nullptr) {
      co_await asio::async_write(impl_->tls->stream, from, asio::redirect_error(asio::use_awaitable, error));
    } else {
      co_await asio::async_write(impl_->line->socket, from, asio::redirect_error(asio::use_awaitable, error));
    }
  }
  co_return error ? impl_->failed(error, StreamFailure::kInternal) : StreamResult{};
}

asio::awaitable<StreamResult> Stream::Impl::read_some(Deadline deadline) {
  if (closed) co_return StreamResult{StreamFailure::kClosed, "closed by the peer"};
  error_code error;
  const std::size_t before = buffer.size();
  buffer.resize(before + kReadBytes);
  const auto room = asio::buffer(buffer.data() + before, kReadBytes);
  std::size_t got = 0;
  {
    const Guard guard(line, deadline);
    if (tls != nullptr) {
      got = co_await tls->stream.async_read_some(room, asio::redirect_error(asio::use_awaitable, error));
    } else {
      got = co_await line->socket.async_read_some(room, asio::redirect_error(asio::use_awaitable, error));
    }
  }
  buffer.resize(before + got);
  StreamResult result = error ? failed(error, StreamFailure::kInternal) : StreamResult{};
  closed = result.failure == StreamFailure::kClosed;
  co_return result;
}

asio::awaitable<StreamResult> Stream::read_line(std::string& line, std::size_t bytes_max, Deadline deadline) {
  std::string& buffer = impl_->buffer;
  std::size_t searched = 0;
  while (true) {
    std::size_t end = buffer.find('\n', searched);
    StreamResult result;
    if (end == std::string::npos && buffer.size() <= bytes_max) {
      searched = buffer.size();
      result = co_await impl_->read_some(deadline);
      // The last line may lack its end.
      if (result.failure == StreamFailure::kClosed && !buffer.empty()) end = buffer.size();
    }
    if (std::min(end, buffer.size()) > bytes_max) {
      co_return StreamResult{StreamFailure::kTooLong, fmt::format("a line is longer than {} bytes", bytes_max)};
    }
    if (end != std::string::npos) {
      line = buffer.substr(0, end);
      if (line.ends_with('\r')) line.pop_back();
      buffer.erase(0, end + 1);
      co_return StreamResult{};
    }
    if (!result.ok()) co_return result;
  }
}

asio::awaitable<StreamResult> Stream::read_exactly(std::string& bytes, std::size_t count, Deadline deadline) {
  std::string& buffer = impl_->buffer;
  while (buffer.size() < count) {
    StreamResult result = co_await impl_->read_some(deadline);
    if (!result.ok()) co_return result;
  }
  bytes = buffer.substr(0, count);
  buffer.erase(0, count);
  co_return StreamResult{};
}

const std::optional<TlsInfo>& Stream::tls_info() const {
  return impl_->info;
}

void Stream::close() {
  error_code ignored;
  impl_->line->socket.close(ignored);
}

}  // namespace tocsin
