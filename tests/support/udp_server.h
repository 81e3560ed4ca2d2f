#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>
#include <vector>

namespace tocsin::test {

/// A UDP server on a port of 127.0.0.1: each datagram is answered with the datagrams its script returns.
class UdpServer {
 public:
  using Script = std::function<std::vector<std::string>(const std::string& datagram)>;
  explicit UdpServer(Script script);
  ~UdpServer();
  UdpServer(const UdpServer&) = delete;

  std::uint16_t port() const { return port_; }

 private:
  void serve();
  Script script_;
  int fd_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

}  // namespace tocsin::test
