// Fakes built to the published contracts:
//   PagerDuty  developer.pagerduty.com/docs/events-api-v2/trigger-events (and the reference of "Send an event")
//   Slack      docs.slack.dev: incoming webhooks, chat.postMessage, chat.update, Block Kit reference

#include "tests/support/fake_vendor.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>

namespace tocsin::test {
namespace {

using nlohmann::json;

std::size_t characters(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

bool read_request(int fd, SeenRequest& request) {
  std::string bytes;
  char buffer[65536];
  std::size_t head = std::string::npos, length = 0;
  while (head == std::string::npos || bytes.size() < head + 4 + length) {
    const ssize_t n = recv(fd, buffer, sizeof buffer, 0);
    if (n <= 0) return false;
    bytes.append(buffer, static_cast<std::size_t>(n));
    if (head != std::string::npos) continue;
    head = bytes.find("\r\n\r\n");
    if (head == std::string::npos) continue;
    for (std::size_t at = bytes.find("\r\n") + 2; at < head + 2;) {
      const std::size_t end = bytes.find("\r\n", at);
      const std::size_t colon = bytes.find(':', at);
      std::string name = bytes.substr(at, colon - at);
      std::transform(name.begin(), name.end(), name.begin(),
                     [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
      std::size_t value = colon + 1;
      while (value < end && bytes[value] == ' ') ++value;
      request.headers[name] = bytes.substr(value, end - value);
      at = end + 2;
    }
    if (request.headers.contains("content-length")) length = std::stoul(request.headers["content-length"]);
    if (request.headers.contains("expect")) {
      const std::string go_on = "HTTP/1.1 100 Continue\r\n\r\n";
      if (send(fd, go_on.data(), go_on.size(), MSG_NOSIGNAL) < 0) return false;
    }
  }
  const std::size_t space = bytes.find(' ');
  request.method = bytes.substr(0, space);
  request.path = bytes.substr(space + 1, bytes.find(' ', space + 1) - space - 1);
  request.body = bytes.substr(head + 4, length);
  return true;
}

}  // namespace

FakeHttp::FakeHttp(Handler handler) : handler_(std::move(handler)) {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 || listen(listener_, 64) != 0 ||
      getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    throw std::runtime_error("FakeHttp cannot listen");
  }
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { serve(); });
}

FakeHttp::~FakeHttp() {
  stop_ = true;
  thread_.join();
  close(listener_);
}

std::string FakeHttp::url(const std::string& path) const {
  return "http://127.0.0.1:" + std::to_string(port_) + path;
}

std::vector<SeenRequest> FakeHttp::seen() const {
  const std::lock_guard lock(mutex_);
  return seen_;
}

void FakeHttp::serve() {
  while (!stop_) {
    pollfd wait{listener_, POLLIN, 0};
    if (poll(&wait, 1, 50) <= 0) continue;
    const int connection = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (connection < 0) continue;
    const timeval patience{5, 0};
    setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    answer(connection);
    close(connection);
  }
}

void FakeHttp::answer(int connection) {
  SeenRequest request;
  if (!read_request(connection, request)) return;
  {
    const std::lock_guard lock(mutex_);
    seen_.push_back(request);
  }
  const FakeAnswer answer = handler_(request);
  if (answer.drop) return;
  std::string text = "HTTP/1.1 " + std::to_string(answer.status) +
                     " Fake\r\nConnection: close\r\nContent-Length: " + std::to_string(answer.body.size()) + "\r\n";
  for (const auto& [name, value] : answer.headers) text += name + ": " + value + "\r\n";
  text += "\r\n" + answer.body;
  if (send(connection, text.data(), text.size(), MSG_NOSIGNAL) < 0) return;
  // Let the other side read everything before the connection goes.
  shutdown(connection, SHUT_WR);
  char byte;
  while (recv(connection, &byte, 1, 0) > 0) {
  }
}

FakePagerDuty::FakePagerDuty(std::string routing_key)
    : routing_key_(std::move(routing_key)), http_([this](const SeenRequest& r) { return take(r); }) {}

FakeAnswer FakePagerDuty::take(const SeenRequest& request) {
  const std::lock_guard lock(mutex_);
  if (!failures_.empty()) {
    FakeAnswer failure = failures_.front();
    failures_.erase(failures_.begin());
    return failure;
  }
  std::vector<std::string> errors;
  const auto must = [&](bool holds, const std::string& what) {
    if (!holds) errors.push_back(what);
  };
  must(request.method == "POST" && request.path == "/v2/enqueue",
       "POST /v2/enqueue, not " + request.method + " " + request.path);
  must(request.headers.contains("content-type") && request.headers.at("content-type").starts_with("application/json"),
       "Content-Type must be application/json");
  must(request.body.size() <= 512 * 1024, "body is larger than 512 KB");
  const json event = json::parse(request.body, nullptr, false);
  const auto text = [](const json& in, const char* name) {
    return in.is_object() && in.contains(name) && in[name].is_string() ? in[name].get<std::string>() : std::string();
  };
  const std::string action = text(event, "event_action"), key = text(event, "dedup_key");
  must(event.is_object(), "body is no JSON object");
  must(text(event, "routing_key") == routing_key_ && routing_key_.size() == 32, "routing_key is wrong");
  must(action == "trigger" || action == "acknowledge" || action == "resolve", "event_action is '" + action + "'");
  must(key.size() <= 255, "dedup_key is longer than 255");
  must(action == "trigger" || !key.empty(), "dedup_key is required for " + action);
  const json payload = event.is_object() ? event.value("payload", json::object()) : json::object();
  if (action == "trigger") {
    static const std::set<std::string> severities{"critical", "error", "warning", "info"};
    must(!text(payload, "summary").empty() && characters(text(payload, "summary")) <= 1024, "payload.summary");
    must(!text(payload, "source").empty(), "payload.source");
    must(severities.contains(text(payload, "severity")), "payload.severity is '" + text(payload, "severity") + "'");
    for (const auto& [name, unused] : payload.items()) {
      static const std::set<std::string> known{"summary",   "source", "severity", "timestamp",
                                               "component", "group",  "class",    "custom_details"};
      must(known.contains(name), "payload." + name + " is not in the contract");
    }
    if (event.contains("links")) {
      for (const json& link : event["links"]) must(!text(link, "href").empty(), "a link without href");
    }
  }
  if (event.is_object()) {
    for (const auto& [name, unused] : event.items()) {
      static const std::set<std::string> known{"routing_key", "event_action", "dedup_key", "payload",
                                               "client",      "client_url",   "images",    "links"};
      must(known.contains(name), name + " is not in the contract");
    }
  }
  if (!errors.empty()) {
    breaches_.insert(breaches_.end(), errors.begin(), errors.end());
    return {400, json{{"status", "invalid event"}, {"message", "Event object is invalid"}, {"errors", errors}}.dump()};
  }
  const auto open = std::find_if(incidents_.begin(), incidents_.end(),
                                 [&](const Incident& i) { return i.open && i.dedup_key == key; });
  if (action == "trigger") {
    const bool fresh = open == incidents_.end();
    if (fresh) incidents_.push_back({key, true, 0, 0, "", ""});
    Incident& incident = fresh ? incidents_.back() : *open;
    ++incident.triggers;
    incident.summary = text(payload, "summary");
    incident.severity = text(payload, "severity");
  } else if (action == "resolve" && open != incidents_.end()) {
    open->open = false;
    ++open->resolves;
  }
  return {202, json{{"status", "success"}, {"message", "Event processed"}, {"dedup_key", key}}.dump()};
}

std::vector<FakePagerDuty::Incident> FakePagerDuty::incidents() const {
  const std::lock_guard lock(mutex_);
  return incidents_;
}

std::vector<std::string> FakePagerDuty::breaches() const {
  const std::lock_guard lock(mutex_);
  return breaches_;
}

void FakePagerDuty::fail_next(int count, FakeAnswer answer) {
  const std::lock_guard lock(mutex_);
  failures_.assign(static_cast<std::size_t>(count), answer);
}

FakeSlack::FakeSlack(std::string token)
    : token_(std::move(token)), http_([this](const SeenRequest& r) { return take(r); }) {}

namespace {

void check_blocks(const json& blocks, std::vector<std::string>& errors) {
  const auto must = [&](bool holds, const std::string& what) {
    if (!holds) errors.push_back(what);
  };
  must(blocks.is_array() && blocks.size() <= 50, "blocks must be a list of at most 50");
  if (!blocks.is_array()) return;
  const auto text_object = [&](const json& object, const std::string& type, std::size_t most) {
    must(object.is_object() && object.value("type", "") == type, "text object of type " + type);
    const std::string text = object.is_object() ? object.value("text", "") : "";
    must(!text.empty() && characters(text) <= most, "text of 1 to " + std::to_string(most) + " characters");
  };
  for (const json& block : blocks) {
    const std::string type = block.is_object() ? block.value("type", "") : "";
    if (type == "header") {
      text_object(block.value("text", json()), "plain_text", 150);
    } else if (type == "section") {
      text_object(block.value("text", json()), "mrkdwn", 3000);
    } else if (type == "context") {
      const json elements = block.value("elements", json::array());
      must(elements.is_array() && !elements.empty() && elements.size() <= 10, "context of 1 to 10 elements");
      for (const json& element : elements) text_object(element, "mrkdwn", 3000);
    } else {
      must(type == "divider", "block of type '" + type + "'");
    }
  }
}

std::vector<std::string> check_message(const json& body) {
  std::vector<std::string> errors;
  const auto must = [&](bool holds, const std::string& what) {
    if (!holds) errors.push_back(what);
  };
  must(body.is_object(), "body is no JSON object");
  if (!body.is_object()) return errors;
  must(body.contains("text") && body["text"].is_string() && !body["text"].get<std::string>().empty(),
       "text is missing");
  if (body.contains("attachments")) {
    must(body["attachments"].is_array() && body["attachments"].size() <= 100,
         "attachments must be a list of at most 100");
    for (const json& attachment : body["attachments"]) {
      must(attachment.is_object(), "an attachment must be an object");
      if (!attachment.is_object()) continue;
      must(attachment.value("color", "").starts_with("#"), "attachment.color");
      if (attachment.contains("blocks")) check_blocks(attachment["blocks"], errors);
    }
  }
  must(body.dump().size() <= 40'000, "message is longer than 40,000");
  return errors;
}

}  // namespace

FakeAnswer FakeSlack::take(const SeenRequest& request) {
  const std::lock_guard lock(mutex_);
  if (!failures_.empty()) {
    FakeAnswer failure = failures_.front();
    failures_.erase(failures_.begin());
    return failure;
  }
  const json body = json::parse(request.body, nullptr, false);
  std::vector<std::string> errors = check_message(body);
  if (request.method != "POST") errors.push_back("method is " + request.method);
  if (!request.headers.contains("content-type") ||
      !request.headers.at("content-type").starts_with("application/json")) {
    errors.push_back("Content-Type must be application/json");
  }
  const auto text = [&](const char* name) {
    return body.is_object() && body.contains(name) && body[name].is_string() ? body[name].get<std::string>()
                                                                             : std::string();
  };
  const bool webhook = request.path.starts_with("/services/");
  const auto api_error = [](const std::string& word) {
    return FakeAnswer{200, json{{"ok", false}, {"error", word}}.dump()};
  };
  if (!errors.empty()) {
    breaches_.insert(breaches_.end(), errors.begin(), errors.end());
    return webhook ? FakeAnswer{400, "invalid_payload"} : api_error("invalid_blocks");
  }
  if (webhook) {
    messages_.push_back({"webhook", "", "", text("text"), request.body, 0});
    return {200, "ok"};
  }
  if (!request.headers.contains("authorization") || request.headers.at("authorization") != "Bearer " + token_) {
    breaches_.push_back("Authorization is wrong");
    return api_error("invalid_auth");
  }
  if (text("channel").empty()) return api_error("channel_not_found");
  if (request.path == "/api/chat.postMessage") {
    const std::string ts = "1503435956." + std::to_string(100000 + messages_.size());
    messages_.push_back({text("channel"), ts, text("thread_ts"), text("text"), request.body, 0});
    return {200, json{{"ok", true}, {"channel", "C024BE91L"}, {"ts", ts}, {"message", json::object()}}.dump()};
  }
  if (request.path == "/api/chat.update") {
    for (Message& message : messages_) {
      if (message.ts != text("ts")) continue;
      message.text = text("text");
      message.body = request.body;
      ++message.updates;
      return {200, json{{"ok", true}, {"channel", "C024BE91L"}, {"ts", message.ts}, {"text", message.text}}.dump()};
    }
    return api_error("message_not_found");
  }
  breaches_.push_back("no such method: " + request.path);
  return api_error("unknown_method");
}

std::vector<FakeSlack::Message> FakeSlack::messages() const {
  const std::lock_guard lock(mutex_);
  return messages_;
}

std::vector<std::string> FakeSlack::breaches() const {
  const std::lock_guard lock(mutex_);
  return breaches_;
}

void FakeSlack::fail_next(int count, FakeAnswer answer) {
  const std::lock_guard lock(mutex_);
  failures_.assign(static_cast<std::size_t>(count), answer);
}

}  // namespace tocsin::test
