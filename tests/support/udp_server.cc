#include "tests/support/udp_server.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <stdexcept>

namespace tocsin::test {

UdpServer::UdpServer(Script script) : script_(std::move(script)), fd_(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof at;
  const timeval tick{0, 20000};
  setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &tick, sizeof tick);
  if (bind(fd_, reinterpret_cast<sockaddr*>(&at), length) != 0) throw std::runtime_error("cannot bind");
  getsockname(fd_, reinterpret_cast<sockaddr*>(&at), &length);
  port_ = ntohs(at.sin_port);
  thread_ = std::thread([this] { serve(); });
}

UdpServer::~UdpServer() {
  stopping_ = true;
  thread_.join();
  close(fd_);
}

void UdpServer::serve() {
  std::array<char, 65536> bytes{};
  while (!stopping_) {
    sockaddr_in from{};
    socklen_t length = sizeof from;
    auto* address = reinterpret_cast<sockaddr*>(&from);
    const ssize_t got = recvfrom(fd_, bytes.data(), bytes.size(), 0, address, &length);
    if (got < 0) continue;
    for (const std::string& answer : script_(std::string(bytes.data(), static_cast<std::size_t>(got)))) {
      sendto(fd_, answer.data(), answer.size(), 0, address, length);
    }
  }
}

}  // namespace tocsin::test
