#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/raw_server.h"

namespace tocsin::test {

/// A mail server that takes everything unless told otherwise, and remembers it.
///
///     SmtpServer server({.auth = "PLAIN LOGIN", .password = "secret"}, ca.issue());
///     ... send to 127.0.0.1:server.port() ...
///     server.mails()[0].data
struct SmtpOptions {
  std::string auth = "";  // mechanisms to offer: "PLAIN LOGIN CRAM-MD5"; "" for none
  std::string username = "user";
  std::string password = "secret";
  bool offer_starttls = true;  // when there is an identity and implicit_tls is false
  bool implicit_tls = false;
  std::map<std::string, std::string> rcpt = {};  // address -> reply, for those that are not taken
  std::string greeting = "220 test ESMTP";
  std::string after_data = "250 2.0.0 queued";  // "": the connection is closed instead
  bool hang_after_data = false;                 // says nothing instead
};

struct ReceivedMail {
  std::string from;
  std::vector<std::string> to;
  std::string data;  // dots unstuffed, CRLF lines, without the final dot
  bool tls = false;
  std::string authenticated_as;
};

class SmtpServer {
 public:
  explicit SmtpServer(SmtpOptions options = {}, std::optional<Identity> identity = {});

  std::uint16_t port() const { return server_.port(); }
  std::vector<ReceivedMail> mails() const;
  int connections() const { return server_.connections(); }

 private:
  struct Session {
    ReceivedMail mail;
    bool tls = false;
    std::string user;
  };
  void serve(Peer& peer);
  void say_hello(Peer& peer, const Session& session) const;
  std::string authenticate(Peer& peer, const std::string& argument, Session& session) const;
  bool take_data(Peer& peer, Session& session);

  SmtpOptions options_;
  bool has_identity_;
  mutable std::mutex mutex_;
  std::vector<ReceivedMail> mails_;  // guarded by mutex_
  RawServer server_;
};

}  // namespace tocsin::test
