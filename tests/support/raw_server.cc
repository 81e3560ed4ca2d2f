#include "tests/support/raw_server.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <stdexcept>

namespace tocsin::test {

namespace {

SSL_CTX* make_context(const Identity& identity) {
  SSL_CTX* context = SSL_CTX_new(TLS_server_method());
  BIO* bio = BIO_new_mem_buf(identity.certificate_pem.data(), static_cast<int>(identity.certificate_pem.size()));
  X509* leaf = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr);
  SSL_CTX_use_certificate(context, leaf);
  X509_free(leaf);
  while (X509* more = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr)) SSL_CTX_add0_chain_cert(context, more);
  ERR_clear_error();
  BIO_free(bio);
  bio = BIO_new_mem_buf(identity.key_pem.data(), static_cast<int>(identity.key_pem.size()));
  EVP_PKEY* key = PEM_read_bio_PrivateKey(bio, nullptr, nullptr, nullptr);
  SSL_CTX_use_PrivateKey(context, key);
  EVP_PKEY_free(key);
  BIO_free(bio);
  return context;
}

/// A listening socket on a loopback port of the kernel's choice.
int listen_on_loopback(bool ipv6, std::uint16_t& port) {
  const int fd = socket(ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_addr = in6addr_loopback;
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto* address = ipv6 ? reinterpret_cast<sockaddr*>(&v6) : reinterpret_cast<sockaddr*>(&v4);
  socklen_t length = ipv6 ? sizeof v6 : sizeof v4;
  if (fd < 0 || bind(fd, address, length) != 0 || listen(fd, 128) != 0) throw std::runtime_error("cannot listen");
  getsockname(fd, address, &length);
  port = ntohs(ipv6 ? v6.sin6_port : v4.sin_port);
  return fd;
}

}  // namespace

std::uint16_t closed_port() {
  std::uint16_t port = 0;
  close(listen_on_loopback(false, port));
  return port;
}

Peer::Peer(int fd, SSL_CTX* tls) : fd_(fd), context_(tls) {}

Peer::~Peer() {
  if (ssl_ != nullptr) {
    SSL_shutdown(ssl_);
    SSL_free(ssl_);
  }
}

bool Peer::start_tls() {
  ssl_ = SSL_new(context_);
  SSL_set_fd(ssl_, fd_);
  const bool good = SSL_accept(ssl_) == 1;
  ERR_clear_error();
  return good;
}

long Peer::receive(char* to, std::size_t count) {
  if (ssl_ == nullptr) return recv(fd_, to, count, 0);
  const int got = SSL_read(ssl_, to, static_cast<int>(count));
  ERR_clear_error();
  return got;
}

std::string Peer::read_until(const std::string& end) {
  std::array<char, 4096> chunk{};
  std::size_t at = 0;
  while ((at = buffer_.find(end)) == std::string::npos) {
    const long got = receive(chunk.data(), chunk.size());
    if (got <= 0) return std::exchange(buffer_, "");
    buffer_.append(chunk.data(), static_cast<std::size_t>(got));
  }
  std::string out = buffer_.substr(0, at + end.size());
  buffer_.erase(0, out.size());
  return out;
}

std::string Peer::read_line() {
  std::string line = read_until("\n");
  while (line.ends_with('\n') || line.ends_with('\r')) line.pop_back();
  return line;
}

std::string Peer::read_exactly(std::size_t count) {
  std::array<char, 4096> chunk{};
  while (buffer_.size() < count) {
    const long got = receive(chunk.data(), chunk.size());
    if (got <= 0) return std::exchange(buffer_, "");
    buffer_.append(chunk.data(), static_cast<std::size_t>(got));
  }
  std::string out = buffer_.substr(0, count);
  buffer_.erase(0, count);
  return out;
}

std::string Peer::read_http() {
  std::string head = read_until("\r\n\r\n");
  std::string lower = head;
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const std::size_t at = lower.find("content-length:");
  if (at == std::string::npos) return head;
  return head + read_exactly(std::stoul(lower.substr(at + 15)));
}

bool Peer::write(const std::string& bytes) {
  if (ssl_ != nullptr) {
    const bool good = bytes.empty() || SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size())) > 0;
    ERR_clear_error();
    return good;
  }
  std::size_t sent = 0;
  while (sent < bytes.size()) {
    const ssize_t now = send(fd_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (now <= 0) return false;
    sent += static_cast<std::size_t>(now);
  }
  return true;
}

void Peer::write_forever(const std::string& bytes) {
  while (write(bytes)) {
  }
}

void Peer::drip(const std::string& bytes, int pause_ms) {
  for (const char c : bytes) {
    if (!write(std::string(1, c))) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(pause_ms));
  }
}

void Peer::reset() {
  const linger at_once{1, 0};
  setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  if (ssl_ != nullptr) SSL_set_quiet_shutdown(ssl_, 1);
}

void Peer::wait_closed() {
  std::array<char, 4096> chunk{};
  while (receive(chunk.data(), chunk.size()) > 0) {
  }
}

RawServer::RawServer(Script script, std::optional<Identity> identity, Tls when, bool ipv6)
    : script_(std::move(script)), when_(when), ipv6_(ipv6) {
  std::signal(SIGPIPE, SIG_IGN);  // SSL_write() has no MSG_NOSIGNAL
  if (identity) context_ = make_context(*identity);
  listener_ = listen_on_loopback(ipv6, port_);
  acceptor_ = std::thread([this] { accept(); });
}

RawServer::~RawServer() {
  stopping_ = true;
  shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  {
    const std::lock_guard lock(mutex_);
    for (const int fd : open_) shutdown(fd, SHUT_RDWR);
  }
  for (std::thread& thread : threads_) thread.join();
  close(listener_);
  SSL_CTX_free(context_);
}

std::string RawServer::url(const std::string& path) const {
  const bool https = context_ != nullptr && when_ == Tls::kAtOnce;
  return std::string(https ? "https" : "http") + "://" + (ipv6_ ? "[::1]:" : "127.0.0.1:") + std::to_string(port_) +
         path;
}

void RawServer::accept() {
  while (!stopping_) {
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) continue;
    ++connections_;
    const std::lock_guard lock(mutex_);
    open_.push_back(fd);
    threads_.emplace_back([this, fd] { serve(fd); });
  }
}

void RawServer::serve(int fd) {
  {
    Peer peer(fd, context_);
    const bool ready = context_ == nullptr || when_ == Tls::kOnRequest || peer.start_tls();
    if (ready) script_(peer);
  }
  const std::lock_guard lock(mutex_);
  open_.remove(fd);
  close(fd);
}

}  // namespace tocsin::test
