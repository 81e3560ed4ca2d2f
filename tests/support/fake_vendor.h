#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace tocsin::test {

/// A request as a fake saw it.
struct SeenRequest {
  std::string method;
  std::string path;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
};

struct FakeAnswer {
  int status = 200;
  std::string body = "";
  std::map<std::string, std::string> headers = {};
  /// Close without a word after the request was read.
  bool drop = false;
};

/// A small HTTP server on a thread of its own that records what it is asked and answers what it is told. One request
/// per connection.
class FakeHttp {
 public:
  using Handler = std::function<FakeAnswer(const SeenRequest&)>;
  explicit FakeHttp(Handler handler);
  ~FakeHttp();

  std::uint16_t port() const { return port_; }
  std::string url(const std::string& path = "") const;
  std::vector<SeenRequest> seen() const;

 private:
  void serve();
  void answer(int connection);

  Handler handler_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<bool> stop_{false};
  mutable std::mutex mutex_;
  std::vector<SeenRequest> seen_;
  std::thread thread_;
};

/// PagerDuty's Events API v2, checking each event against the published contract. `incidents` is what a person on call
/// would see.
class FakePagerDuty {
 public:
  explicit FakePagerDuty(std::string routing_key);

  struct Incident {
    std::string dedup_key;
    bool open = true;
    int triggers = 0;
    int resolves = 0;
    std::string summary;
    std::string severity;
  };
  std::vector<Incident> incidents() const;
  /// Every breach of the contract, in words.
  std::vector<std::string> breaches() const;
  /// The next `count` requests are answered so.
  void fail_next(int count, FakeAnswer answer);
  std::string url() const { return http_.url("/v2/enqueue"); }
  std::size_t requests() const { return http_.seen().size(); }

 private:
  FakeAnswer take(const SeenRequest& request);

  std::string routing_key_;
  mutable std::mutex mutex_;
  std::vector<Incident> incidents_;
  std::vector<std::string> breaches_;
  std::vector<FakeAnswer> failures_;
  FakeHttp http_;
};

/// Slack: an incoming webhook at webhook_url(), and the Web API's chat.postMessage and chat.update below api_url().
class FakeSlack {
 public:
  explicit FakeSlack(std::string token);

  struct Message {
    std::string channel;
    std::string ts;
    std::string thread_ts;
    std::string text;
    std::string body;  // the whole JSON
    int updates = 0;
  };
  std::vector<Message> messages() const;
  std::vector<std::string> breaches() const;
  void fail_next(int count, FakeAnswer answer);
  std::string webhook_url() const { return http_.url("/services/T000/B000/XXXXsecret"); }
  std::string api_url() const { return http_.url("/api"); }

 private:
  FakeAnswer take(const SeenRequest& request);

  std::string token_;
  mutable std::mutex mutex_;
  std::vector<Message> messages_;
  std::vector<std::string> breaches_;
  std::vector<FakeAnswer> failures_;
  FakeHttp http_;
};

}  // namespace tocsin::test
