#include "agent/net/curl_multi.h"

#include <stdexcept>

namespace tocsin {

namespace {

constexpr std::size_t kIdleHandlesMax = 64;
constexpr long kIdleConnectionsMax = 64;

CURLM* make_multi() {
  static const CURLcode started = curl_global_init(CURL_GLOBAL_DEFAULT);
  CURLM* multi = started == CURLE_OK ? curl_multi_init() : nullptr;
  if (multi == nullptr) throw std::runtime_error("libcurl does not start");
  return multi;
}

}  // namespace

CurlMulti::CurlMulti(boost::asio::any_io_executor executor)
    : executor_(std::move(executor)),
      timer_(executor_),
      multi_(make_multi()),
      alive_(std::make_shared<CurlMulti*>(this)) {
  curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, &CurlMulti::on_socket);
  curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, &CurlMulti::on_timer);
  curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, kIdleConnectionsMax);
}

CurlMulti::~CurlMulti() {
  *alive_ = nullptr;
  for (const auto& [easy, done] : running_) {
    curl_multi_remove_handle(multi_, easy);
    curl_easy_cleanup(easy);
  }
  for (CURL* easy : idle_) curl_easy_cleanup(easy);
  curl_multi_cleanup(multi_);
  for (const auto& [fd, socket] : sockets_) socket->stop();
}

CURL* CurlMulti::take() {
  if (idle_.empty()) return curl_easy_init();
  CURL* easy = idle_.back();
  idle_.pop_back();
  return easy;
}

void CurlMulti::give(CURL* easy) {
  if (idle_.size() >= kIdleHandlesMax) {
    curl_easy_cleanup(easy);
    return;
  }
  curl_easy_reset(easy);
  idle_.push_back(easy);
}

void CurlMulti::start(CURL* easy, std::function<void(CURLcode)> done) {
  running_.emplace(easy, std::move(done));
  // This only asks for a call through on_timer(), so `done` is never called from in here.
  curl_multi_add_handle(multi_, easy);
}

void CurlMulti::abort(CURL* easy) {
  if (running_.erase(easy) > 0) curl_multi_remove_handle(multi_, easy);
}

int CurlMulti::on_socket(CURL*, curl_socket_t fd, int what, void* self, void*) {
  auto& multi = *static_cast<CurlMulti*>(self);
  const auto found = multi.sockets_.find(fd);
  if (what == CURL_POLL_REMOVE) {
    if (found == multi.sockets_.end()) return 0;
    found->second->stop();
    multi.sockets_.erase(found);
    return 0;
  }
  std::shared_ptr<WatchedSocket> socket = found == multi.sockets_.end() ? nullptr : found->second;
  if (socket == nullptr) {
    socket = WatchedSocket::make(multi.executor_, fd, [alive = multi.alive_, fd](bool readable, bool writable) {
      if (*alive == nullptr) return;
      (*alive)->act(fd, (readable ? CURL_CSELECT_IN : 0) | (writable ? CURL_CSELECT_OUT : 0));
    });
    if (socket == nullptr) return -1;
    multi.sockets_.emplace(fd, socket);
  }
  socket->watch((what & CURL_POLL_IN) != 0, (what & CURL_POLL_OUT) != 0);
  return 0;
}

int CurlMulti::on_timer(CURLM*, long timeout_ms, void* self) {
  auto& multi = *static_cast<CurlMulti*>(self);
  multi.timer_.cancel();
  if (timeout_ms < 0) return 0;
  multi.timer_.expires_after(std::chrono::milliseconds(timeout_ms));
  multi.timer_.async_wait([alive = multi.alive_](boost::system::error_code error) {
    if (!error && *alive != nullptr) (*alive)->act(CURL_SOCKET_TIMEOUT, 0);
  });
  return 0;
}

void CurlMulti::act(curl_socket_t fd, int events) {
  int running = 0;
  curl_multi_socket_action(multi_, fd, events, &running);
  harvest();
}

void CurlMulti::harvest() {
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    const auto found = running_.find(message->easy_handle);
    if (found != running_.end() && found->second) found->second(message->data.result);
  }
}

}  // namespace tocsin
