#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace tocsin::test {

/// A program under test, or a real server it is tested against. Stopped, by its pid, when this goes.
class Process {
 public:
  /// Starts argv with its output in `log_file`; `environment` is added to ours.
  Process(std::vector<std::string> argv, std::string log_file, std::map<std::string, std::string> environment = {});
  ~Process();
  Process(const Process&) = delete;

  pid_t pid() const { return pid_; }
  bool running();
  void signal(int number) const;
  /// Waits for its end, with SIGKILL after `patience`; the exit code, or minus the number of the signal that ended it.
  int wait(std::chrono::seconds patience = std::chrono::seconds(20));
  /// SIGTERM, then wait().
  int stop();
  std::string log() const;

 private:
  pid_t pid_ = -1;
  int status_ = 0;
  std::string log_file_;
};

struct Output {
  int exit_code = -1;
  std::string out;
  std::string err;
};
/// Runs a program to its end.
Output run(std::vector<std::string> argv, std::map<std::string, std::string> environment = {});

/// A TCP port on 127.0.0.1 that nobody listens on now.
std::uint16_t free_port();

/// Polls until `holds` is true; false when it was not within `patience`.
bool eventually(const std::function<bool()>& holds, std::chrono::milliseconds patience = std::chrono::seconds(20));

/// A plain HTTP/1.1 exchange on loopback: the body, or "" when there was none; `status` gets the code.
std::string http_get(std::uint16_t port, const std::string& path, int* status = nullptr,
                     const std::string& method = "GET", const std::string& body = "",
                     const std::string& content_type = "");

/// The tocsin binary built beside this test.
std::string tocsin_binary();

}  // namespace tocsin::test
