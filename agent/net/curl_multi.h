#pragma once

#include <curl/curl.h>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "agent/net/watched_socket.h"

namespace tocsin {

/// libcurl's multi handle driven by an io_context: curl names the sockets to watch and the time to call it back.
class CurlMulti {
 public:
  explicit CurlMulti(boost::asio::any_io_executor executor);
  ~CurlMulti();
  CurlMulti(const CurlMulti&) = delete;

  /// An easy handle with default options, new or used before.
  CURL* take();
  /// Gives it back. Must not be running.
  void give(CURL* easy);

  /// Starts the transfer; `done` is called once, from the executor, unless abort() comes first.
  void start(CURL* easy, std::function<void(CURLcode)> done);
  /// Ends a transfer early (or, after it is done, lets go of it). Not from inside curl's callbacks.
  void abort(CURL* easy);
  std::size_t running() const { return running_.size(); }

 private:
  static int on_socket(CURL*, curl_socket_t fd, int what, void* self, void*);
  static int on_timer(CURLM*, long timeout_ms, void* self);
  void act(curl_socket_t fd, int events);
  void harvest();

  boost::asio::any_io_executor executor_;
  boost::asio::steady_timer timer_;
  CURLM* multi_;
  std::map<curl_socket_t, std::shared_ptr<WatchedSocket>> sockets_;
  std::map<CURL*, std::function<void(CURLcode)>> running_;
  std::vector<CURL*> idle_;
  std::shared_ptr<CurlMulti*> alive_;  // for handlers that outlive this
};

}  // namespace tocsin
