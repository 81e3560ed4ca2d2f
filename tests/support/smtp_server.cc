#include "tests/support/smtp_server.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>

namespace tocsin::test {

namespace {

std::string unbase64(std::string text) {
  std::string out(text.size(), '\0');
  const int length =
      EVP_DecodeBlock(reinterpret_cast<unsigned char*>(out.data()), reinterpret_cast<const unsigned char*>(text.data()),
                      static_cast<int>(text.size()));
  out.resize(static_cast<std::size_t>(std::max(length, 0)));
  for (; text.ends_with('='); text.pop_back()) {
    if (!out.empty()) out.pop_back();
  }
  return out;
}

/// What stands between < and >.
std::string address_in(const std::string& line) {
  const std::size_t from = line.find('<');
  const std::size_t to = line.find('>');
  return from == std::string::npos || to == std::string::npos ? "" : line.substr(from + 1, to - from - 1);
}

std::string cram_answer(const std::string& user, const std::string& password, const std::string& challenge) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int length = 0;
  HMAC(EVP_md5(), password.data(), static_cast<int>(password.size()),
       reinterpret_cast<const unsigned char*>(challenge.data()), challenge.size(), digest.data(), &length);
  std::string out = user + " ";
  for (unsigned int i = 0; i < length; ++i) {
    out += "0123456789abcdef"[digest[i] >> 4];
    out += "0123456789abcdef"[digest[i] & 15];
  }
  return out;
}

}  // namespace

SmtpServer::SmtpServer(SmtpOptions options, std::optional<Identity> identity)
    : options_(std::move(options)),
      has_identity_(identity.has_value()),
      server_([this](Peer& peer) { serve(peer); }, std::move(identity),
              options_.implicit_tls ? RawServer::Tls::kAtOnce : RawServer::Tls::kOnRequest) {}

std::vector<ReceivedMail> SmtpServer::mails() const {
  const std::lock_guard lock(mutex_);
  return mails_;
}

void SmtpServer::say_hello(Peer& peer, const Session& session) const {
  std::string reply = "250-test\r\n250-8BITMIME\r\n";
  if (has_identity_ && options_.offer_starttls && !session.tls) reply += "250-STARTTLS\r\n";
  if (!options_.auth.empty()) reply += "250-AUTH " + options_.auth + "\r\n";
  peer.write(reply + "250 SIZE 10485760\r\n");
}

std::string SmtpServer::authenticate(Peer& peer, const std::string& argument, Session& session) const {
  bool good = false;
  if (argument.starts_with("PLAIN ")) {
    good = unbase64(argument.substr(6)) == std::string(1, '\0') + options_.username + '\0' + options_.password;
  } else if (argument == "LOGIN") {
    peer.write("334 VXNlcm5hbWU6\r\n");
    const std::string user = unbase64(peer.read_line());
    peer.write("334 UGFzc3dvcmQ6\r\n");
    good = unbase64(peer.read_line()) == options_.password && user == options_.username;
  } else if (argument == "CRAM-MD5") {
    peer.write("334 PDFAdGVzdD4=\r\n");  // <1@test>
    good = unbase64(peer.read_line()) == cram_answer(options_.username, options_.password, "<1@test>");
  }
  if (!good) return "535 5.7.8 authentication failed";
  session.user = options_.username;
  return "235 2.7.0 welcome";
}

/// False when the session is over.
bool SmtpServer::take_data(Peer& peer, Session& session) {
  peer.write("354 go on\r\n");
  while (true) {
    std::string line = peer.read_until("\r\n");
    if (!line.ends_with("\r\n")) return false;
    if (line == ".\r\n") break;
    session.mail.data += line.starts_with('.') ? line.substr(1) : line;
  }
  session.mail.tls = session.tls;
  session.mail.authenticated_as = session.user;
  const bool taken = options_.after_data.starts_with('2') || options_.after_data.empty() || options_.hang_after_data;
  if (taken) {
    const std::lock_guard lock(mutex_);
    mails_.push_back(session.mail);
  }
  session.mail = {};
  if (options_.hang_after_data) peer.wait_closed();
  return !options_.after_data.empty() && peer.write(options_.after_data + "\r\n");
}

void SmtpServer::serve(Peer& peer) {
  Session session;
  session.tls = options_.implicit_tls;
  peer.write(options_.greeting + "\r\n");
  while (true) {
    const std::string line = peer.read_line();
    if (line.empty()) return;
    std::string reply = "250 ok";
    if (line.starts_with("EHLO ")) {
      say_hello(peer, session);
      continue;
    }
    if (line == "STARTTLS") {
      peer.write("220 go\r\n");
      if (!peer.start_tls()) return;
      session = {};
      session.tls = true;
      continue;
    }
    if (line == "DATA") {
      if (!take_data(peer, session)) return;
      continue;
    }
    if (line.starts_with("AUTH ")) reply = authenticate(peer, line.substr(5), session);
    if (line.starts_with("MAIL FROM:")) session.mail.from = address_in(line);
    if (line.starts_with("RCPT TO:")) {
      const auto refusal = options_.rcpt.find(address_in(line));
      if (refusal == options_.rcpt.end()) session.mail.to.push_back(address_in(line));
      if (refusal != options_.rcpt.end()) reply = refusal->second;
    }
    if (line == "QUIT") reply = "221 bye";
    peer.write(reply + "\r\n");
    if (line == "QUIT") return;
  }
}

}  // namespace tocsin::test
