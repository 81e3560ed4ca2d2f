#pragma once

#include <curl/curl.h>

#include <array>
#include <boost/asio/ip/address.hpp>
#include <ctime>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/net/completion.h"
#include "agent/net/curl_multi.h"
#include "agent/net/handshake.h"
#include "agent/net/http_client.h"
#include "agent/net/resolver.h"

/// The inside of HttpClient::fetch().
namespace tocsin {

/// Whom a request connects to: the URL's host, or the proxy.
struct HttpPeer {
  std::string scheme;
  std::string host;
  std::string port;
  bool needs_lookup = false;
};
/// Errors: the URL or the proxy's URL is not one of http or https with a host.
Result<HttpPeer> http_peer(const HttpRequest& request);

/// Trust stores by CA file, each read once and again when the file changes.
class TrustStores {
 public:
  Result<X509_STORE*> get(const std::string& ca_file);

 private:
  struct Entry {
    StorePtr store;
    off_t size = 0;
    timespec changed{};
  };
  std::map<std::string, Entry> stores_;
};

class HttpTransfer {
 public:
  HttpTransfer(CurlMulti& multi, TrustStores& stores, HttpRequest request,
               const boost::asio::any_io_executor& executor);
  ~HttpTransfer();
  HttpTransfer(const HttpTransfer&) = delete;

  struct Mistake {
    HttpFailure failure;
    std::string message;
  };
  /// Sets every option. `addresses` are the peer's, when they had to be looked up.
  std::optional<Mistake> prepare(const HttpPeer& peer, const std::vector<boost::asio::ip::address>& addresses);
  void start();
  /// What came out; `ended` is false when the deadline came first.
  HttpResponse finish(bool ended, double resolve_seconds);

  Completion completion;

 private:
  static std::size_t on_header(char* data, std::size_t, std::size_t length, void* self);
  static std::size_t on_body(char* data, std::size_t, std::size_t length, void* self);
  static CURLcode on_tls_context(CURL*, void* context, void* self);
  bool take_header(std::string_view line);
  void note_reused_connection();
  std::optional<Mistake> set_headers();
  void set_method();
  std::optional<Mistake> set_tls();
  void set_route(const HttpPeer& peer, const std::vector<boost::asio::ip::address>& addresses);
  void read_timings(double resolve_seconds);
  void classify(bool ended);
  std::string timeout_text() const;

  template <class T>
  void set(CURLoption option, T value) {
    curl_easy_setopt(easy_, option, value);
  }

  struct FreeList {
    void operator()(curl_slist* list) const { curl_slist_free_all(list); }
  };
  using List = std::unique_ptr<curl_slist, FreeList>;
  static void append(List& list, const std::string& text);

  CurlMulti& multi_;
  TrustStores& stores_;
  HttpRequest request_;
  HttpResponse response_;
  CURL* easy_;
  CURLcode code_ = CURLE_OK;
  List headers_;
  List route_;
  X509_STORE* store_ = nullptr;
  std::shared_ptr<std::optional<TlsInfo>> tls_;
  std::array<char, CURL_ERROR_SIZE> curl_error_{};
  std::string own_error_;  // what one of our callbacks stopped the transfer for
  HttpFailure own_failure_ = HttpFailure::kNone;
  std::string route_text_;  // whom we connect to, for a person
  bool https_ = false;
  std::size_t header_bytes_ = 0;
  std::size_t header_lines_ = 0;
  bool headers_complete_ = false;
};

}  // namespace tocsin
