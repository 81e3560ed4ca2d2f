// What every kind of channel must do, whoever wrote it. A new kind adds a row to kSubjects: how to point it at a server
// of ours, with a secret in every place a secret can be.

#include <gmock/gmock.h>

#include <boost/asio/io_context.hpp>

#include "agent/net/http_client.h"
#include "notifiers/notifier.h"
#include "tests/notifiers/sample.h"
#include "tests/support/raw_server.h"
#include "tests/support/run.h"

namespace tocsin {
namespace {

using Kind = SendResult::Kind;
using test::Peer;
using test::RawServer;
using ::testing::AnyOf;
using ::testing::Eq;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kSecret = "s3cr3t-t0k3n-0123456789abcdef";

enum class Transport { kNone, kHttp, kSmtp };
struct Subject {
  std::string_view type;
  Transport transport;
  /// The table's text; `url` is http://127.0.0.1:PORT, `port` the same port.
  std::function<std::string(const std::string& url, std::uint16_t port)> toml;
};

const std::vector<Subject>& subjects() {
  static const std::vector<Subject> kSubjects{
      {"email", Transport::kSmtp,
       [](const std::string&, std::uint16_t port) {
         return fmt::format(
             "to = 'oncall@example.org'\nfrom = 'tocsin@example.org'\nsmarthost = '127.0.0.1:{}'\n"
             "require_tls = false\nusername = 'tocsin'\npassword = '{}'\n",
             port, kSecret);
       }},
      {"discord", Transport::kHttp,
       [](const std::string& url, std::uint16_t) {
         return fmt::format("webhook_url = '{}/api/webhooks/1/{}'\n", url, kSecret);
       }},
      {"exec", Transport::kNone, [](const std::string&, std::uint16_t) { return std::string("command = ['true']\n"); }},
      {"http", Transport::kHttp,
       [](const std::string& url, std::uint16_t) {
         return fmt::format("url = '{}/x/{}?i={{{{ .Incident }}}}'\nbearer_token = '{}'\n", url, kSecret, kSecret);
       }},
      {"log", Transport::kNone, [](const std::string&, std::uint16_t) { return std::string(); }},
      {"mattermost", Transport::kHttp,
       [](const std::string& url, std::uint16_t) {
         return fmt::format("webhook_url = '{}/hooks/{}'\n", url, kSecret);
       }},
      {"msteams", Transport::kHttp,
       [](const std::string& url, std::uint16_t) { return fmt::format("webhook_url = '{}/flow/{}'\n", url, kSecret); }},
      {"ntfy", Transport::kHttp,
       [](const std::string& url, std::uint16_t) {
         return fmt::format("url = '{}'\ntopic = '{}'\ntoken = '{}'\n", url, kSecret, kSecret);
       }},
      {"opsgenie", Transport::kHttp,
       [](const std::string& url, std::uint16_t) {
         return fmt::format("api_key = '{}'\napi_url = '{}'\n", kSecret, url);
       }},
      {"pagerduty", Transport::kHttp,
       [](const std::string& url, std::uint16_t) {
         return fmt::format("routing_key = '{}'\nurl = '{}/v2/enqueue'\n", kSecret, url);
       }},
      {"pushover", Transport::kHttp,
       [](const std::string& url, std::uint16_t) {
         return fmt::format("token = '{}'\nuser_key = '{}x'\napi_url = '{}'\n", kSecret, kSecret, url);
       }},
      {"slack", Transport::kHttp,
       [](const std::string& url, std::uint16_t) {
         return fmt::format("webhook_url = '{}/services/T0/B0/{}'\n", url, kSecret);
       }},
      {"slack", Transport::kHttp,
       [](const std::string& url, std::uint16_t) {
         return fmt::format("token = '{}'\nchannel = 'C0'\napi_url = '{}'\n", kSecret, url);
       }},
      {"sms", Transport::kHttp,
       [](const std::string& url, std::uint16_t) {
         return fmt::format(
             "account_sid = 'AC1'\nauth_token = '{}'\nfrom = '+15550001'\nto = '+15550002'\napi_url = '{}'\n", kSecret,
             url);
       }},
      {"telegram", Transport::kHttp,
       [](const std::string& url, std::uint16_t) {
         return fmt::format("token = '{}'\nchat_id = '-1001'\napi_url = '{}'\n", kSecret, url);
       }},
      {"webhook", Transport::kHttp,
       [](const std::string& url, std::uint16_t) {
         return fmt::format("url = '{}/hook/{}'\nbearer_token = '{}'\n", url, kSecret, kSecret);
       }},
  };
  return kSubjects;
}

const Subject* subject_of(std::string_view type) {
  for (const Subject& s : subjects()) {
    if (s.type == type) return &s;
  }
  return nullptr;
}

NotifierFactory factory(const NotifierType& type, const std::string& toml, std::string* mistakes = nullptr) {
  Diagnostics diagnostics;
  const ConfigNode node = parse_toml(toml, "channel.toml", diagnostics);
  Fields fields(node, diagnostics);
  NotifierFactory made = type.read(fields);
  fields.reject_unknown_keys();
  if (mistakes != nullptr) {
    *mistakes = diagnostics.str();
  } else {
    EXPECT_EQ(diagnostics.str(), "");
  }
  return made;
}

// One attempt, in real time.
SendResult attempt(const Subject& subject, const std::string& url, std::uint16_t port, int timeout_ms = 2000) {
  boost::asio::io_context io;
  SystemClock clock;
  HttpClient http(io.get_executor());
  NotifierServices services{clock, http};
  const NotifierType& type = *find_notifier_type(subject.type);
  const auto notifier = factory(type, subject.toml(url, port))(services);
  const Notification notification = test::sample_notification();
  const auto started = std::chrono::steady_clock::now();
  const SendContext context;
  boost::asio::awaitable<SendResult> sending = notifier->send(notification, context, test::in_ms(timeout_ms));
  SendResult result = test::run(io, std::move(sending));
  const auto took = std::chrono::steady_clock::now() - started;
  EXPECT_LT(took, std::chrono::milliseconds(timeout_ms + 3000)) << "returns by the deadline";
  EXPECT_LE(result.detail.size(), 500U);
  EXPECT_THAT(result.detail, Not(HasSubstr(kSecret)));
  EXPECT_EQ(result.kind == Kind::kOk, result.detail.empty());
  return result;
}

struct Fault {
  std::string name;
  std::function<void(Peer&)> script;
  std::vector<Kind> allowed;
  std::optional<Duration> retry_after = {};
};

std::string answer(const std::string& status, const std::string& body, const std::string& headers = "") {
  return fmt::format("HTTP/1.1 {}\r\n{}Content-Length: {}\r\nConnection: close\r\n\r\n{}", status, headers, body.size(),
                     body);
}

// The other side tells us all we told it: the hardest case for keeping secrets.
std::function<void(Peer&)> echo(const std::string& status, const std::string& headers = "") {
  return [=](Peer& peer) {
    const std::string request = peer.read_http();
    peer.write(answer(status, request, headers));
  };
}

const std::vector<Fault>& http_faults() {
  static const std::vector<Fault> kFaults{
      {"500", echo("500 Internal Server Error"), {Kind::kTransient}},
      {"503 with Retry-After", echo("503 Busy", "Retry-After: 9\r\n"), {Kind::kTransient}, std::chrono::seconds(9)},
      {"429 with Retry-After",
       echo("429 Slow down", "Retry-After: 7\r\n"),
       {Kind::kThrottled},
       std::chrono::seconds(7)},
      {"429 without", echo("429 Slow down"), {Kind::kThrottled}},
      {"400", echo("400 Bad Request"), {Kind::kPermanent}},
      {"404", echo("404 Not Found"), {Kind::kPermanent}},
      {"a redirect", echo("302 Found", "Location: http://127.0.0.1:9/\r\n"), {Kind::kPermanent}},
      {"garbage",
       [](Peer& peer) {
         peer.read_http();
         peer.write("\x01\x02 no HTTP at all\r\n\r\n");
       },
       {Kind::kUnknown, Kind::kTransient}},
      {"silence after the request",
       [](Peer& peer) {
         peer.read_http();
         peer.wait_closed();
       },
       {Kind::kUnknown}},
      {"a black hole", [](Peer& peer) { peer.wait_closed(); }, {Kind::kUnknown, Kind::kTransient}},
      {"closed without an answer", [](Peer& peer) { peer.read_http(); }, {Kind::kUnknown}},
      {"reset without an answer",
       [](Peer& peer) {
         peer.read_http();
         peer.reset();
       },
       {Kind::kUnknown}},
      {"closed in the middle of a 200",
       [](Peer& peer) {
         peer.read_http();
         peer.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"ok\"");
       },
       {Kind::kOk, Kind::kUnknown}},
      {"an endless answer of 500",
       [](Peer& peer) {
         peer.read_http();
         peer.write("HTTP/1.1 500 Oh\r\n\r\n");
         peer.write_forever(std::string(4096, 'x'));
       },
       {Kind::kTransient, Kind::kUnknown}},
      {"headers without end",
       [](Peer& peer) {
         peer.read_http();
         peer.write("HTTP/1.1 200 OK\r\n");
         peer.write_forever("X-More: " + std::string(1000, 'x') + "\r\n");
       },
       {Kind::kOk, Kind::kTransient, Kind::kUnknown}},
  };
  return kFaults;
}

TEST(NotifierConformance, EveryTypeHasARowHere) {
  std::vector<std::string_view> names;
  for (const NotifierType& type : notifier_types()) {
    EXPECT_NE(subject_of(type.name), nullptr) << type.name << " needs a row in subjects()";
    EXPECT_EQ(find_notifier_type(type.name), &type);
    names.push_back(type.name);
  }
  EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));
  EXPECT_EQ(find_notifier_type("pigeon"), nullptr);
}

TEST(NotifierConformance, DescribesItselfAndItsFields) {
  for (const NotifierType& type : notifier_types()) {
    EXPECT_TRUE(type.summary.ends_with('.')) << type.name;
    std::vector<FieldDoc> docs;
    Fields fields(docs);
    type.read(fields);
    for (const FieldDoc& doc : docs) EXPECT_NE(doc.text, "") << type.name << "." << doc.name;
  }
}

TEST(NotifierConformance, RejectsUnknownKeys) {
  for (const Subject& subject : subjects()) {
    std::string mistakes;
    factory(*find_notifier_type(subject.type), subject.toml("http://127.0.0.1:1", 1) + "\nno_such_key = 1\n",
            &mistakes);
    EXPECT_THAT(mistakes, HasSubstr("no_such_key")) << subject.type;
  }
}

TEST(NotifierConformance, ARefusedConnectionIsTriedAgain) {
  for (const Subject& subject : subjects()) {
    if (subject.transport == Transport::kNone) continue;
    const std::uint16_t port = test::closed_port();
    EXPECT_EQ(attempt(subject, fmt::format("http://127.0.0.1:{}", port), port).kind, Kind::kTransient) << subject.type;
  }
}

TEST(NotifierConformance, ReturnsByTheDeadlineFromABlackHole) {
  for (const Subject& subject : subjects()) {
    if (subject.transport == Transport::kNone) continue;
    RawServer server([](Peer& peer) { peer.wait_closed(); });
    const SendResult result = attempt(subject, fmt::format("http://127.0.0.1:{}", server.port()), server.port(), 300);
    EXPECT_THAT(result.kind, AnyOf(Kind::kTransient, Kind::kUnknown)) << subject.type;
  }
}

TEST(NotifierConformance, SurvivesGarbageBeforeItHasSaidAnything) {
  for (const Subject& subject : subjects()) {
    if (subject.transport == Transport::kNone) continue;
    RawServer server([](Peer& peer) { peer.write("\x01\x02\x03 what?\r\n"); });
    const SendResult result = attempt(subject, fmt::format("http://127.0.0.1:{}", server.port()), server.port(), 1000);
    EXPECT_THAT(result.kind, AnyOf(Kind::kTransient, Kind::kUnknown)) << subject.type;
  }
}

TEST(NotifierConformance, ClassifiesWhatHttpServersDo) {
  for (const Subject& subject : subjects()) {
    if (subject.transport != Transport::kHttp) continue;
    for (const Fault& fault : http_faults()) {
      SCOPED_TRACE(fmt::format("{}: {}", subject.type, fault.name));
      RawServer server(fault.script);
      const SendResult result =
          attempt(subject, fmt::format("http://127.0.0.1:{}", server.port()), server.port(), 1000);
      EXPECT_THAT(fault.allowed, ::testing::Contains(Eq(result.kind)))
          << static_cast<int>(result.kind) << " " << result.detail;
      // Without one, a kind may know its vendor's own wait.
      EXPECT_EQ(fault.retry_after ? result.retry_after : fault.retry_after, fault.retry_after);
    }
  }
}

}  // namespace
}  // namespace tocsin
