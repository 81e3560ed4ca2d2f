#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

/// Real servers from Debian, each on a loopback port of its own with a configuration of its own.
namespace tocsin::test {

/// True when a program is installed; tests that need it skip, saying so, where it is not.
bool installed(const std::string& program);

/// A key and a certificate for `names` (the first is the common name), signed by itself; written as PEM into `dir`.
struct KeyPair {
  std::string key_file;
  std::string cert_file;
};
KeyPair make_key_pair(const TempDir& dir, const std::vector<std::string>& names);

/// nginx that answers 200 at every path.
class Nginx {
 public:
  explicit Nginx(const TempDir& dir);
  void start();
  void stop();
  std::uint16_t port() const { return port_; }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_) + "/"; }

 private:
  const TempDir& dir_;
  std::uint16_t port_;
  std::optional<Process> process_;
};

/// Exim with STARTTLS and AUTH (user "tocsin", password "s3cret-mail"), which refuses mail without both and delivers
/// what it takes into a mailbox folder.
class Exim {
 public:
  explicit Exim(const TempDir& dir);
  std::uint16_t port() const { return port_; }
  std::string ca_file() const { return keys_.cert_file; }
  /// The mails that have arrived, oldest first.
  std::vector<std::string> mailbox() const;
  std::string log() const;

 private:
  const TempDir& dir_;
  std::uint16_t port_;
  KeyPair keys_;
  std::optional<Process> process_;
};

}  // namespace tocsin::test
