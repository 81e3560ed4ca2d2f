#include "agent/net/http_transfer.h"

#include <algorithm>
#include <cstring>

namespace tocsin {

namespace asio = boost::asio;

namespace {

constexpr std::size_t kHeaderBytesMax = 64U << 10;
constexpr std::size_t kHeaderLinesMax = 256;

struct FreeUrl {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};

std::string url_part(CURLU* url, CURLUPart part, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, flags) != CURLUE_OK) return "";
  std::string out(text);
  curl_free(text);
  return out;
}

Result<HttpPeer> peer_of(const std::string& text) {
  const std::unique_ptr<CURLU, FreeUrl> url(curl_url());
  const CURLUcode code = curl_url_set(url.get(), CURLUPART_URL, text.c_str(), CURLU_NON_SUPPORT_SCHEME);
  // The URL may hold a password or a token: it is not repeated.
  if (code != CURLUE_OK) return fail("the URL is not valid: {}", curl_url_strerror(code));
  HttpPeer peer;
  peer.scheme = url_part(url.get(), CURLUPART_SCHEME);
  if (peer.scheme != "http" && peer.scheme != "https") return fail("the URL's scheme is not http or https");
  peer.host = url_part(url.get(), CURLUPART_HOST, CURLU_PUNYCODE);
  if (peer.host.empty()) return fail("the URL has no host that can be looked up");
  peer.port = url_part(url.get(), CURLUPART_PORT, CURLU_DEFAULT_PORT);
  boost::system::error_code not_literal;
  asio::ip::make_address(peer.host, not_literal);
  peer.needs_lookup = not_literal && !peer.host.starts_with('[');
  return peer;
}

bool has_line_end(std::string_view text) {
  return text.find_first_of(std::string_view("\r\n\0", 3)) != text.npos;
}

std::string bracketed(const asio::ip::address& address) {
  return address.is_v6() ? fmt::format("[{}]", address.to_string()) : address.to_string();
}

HttpFailure failure_of(CURLcode code, std::string_view text) {
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
      return HttpFailure::kResolve;
    case CURLE_COULDNT_CONNECT:
    case CURLE_PROXY:
    case CURLE_INTERFACE_FAILED:
      return HttpFailure::kConnect;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CERTPROBLEM:
      return HttpFailure::kTls;
    case CURLE_PEER_FAILED_VERIFICATION:
      return HttpFailure::kCertificate;
    case CURLE_OPERATION_TIMEDOUT:
      return HttpFailure::kTimeout;
    case CURLE_SEND_ERROR:
      return HttpFailure::kSend;
    case CURLE_RECV_ERROR:
      // Broken chunks come under the same code as a broken connection.
      return text.find("chunk") != text.npos ? HttpFailure::kProtocol : HttpFailure::kReceive;
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
      return HttpFailure::kReceive;
    case CURLE_URL_MALFORMAT:
      return HttpFailure::kBadUrl;
    case CURLE_UNSUPPORTED_PROTOCOL:  // an answer that is not HTTP/1 or newer
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
    case CURLE_OUT_OF_MEMORY:  // curl's own limit on one header line
    case CURLE_WRITE_ERROR:
      return HttpFailure::kProtocol;
    default:
      return HttpFailure::kInternal;
  }
}

}  // namespace

Result<HttpPeer> http_peer(const HttpRequest& request) {
  Result<HttpPeer> target = peer_of(request.url);
  if (!target || request.proxy_url.empty()) {
    if (target && !request.pinned_address.empty()) target->needs_lookup = false;
    return target;
  }
  Result<HttpPeer> proxy = peer_of(request.proxy_url);
  if (!proxy) return fail_in("proxy", proxy.error());
  return proxy;
}

HttpTransfer::HttpTransfer(CurlMulti& multi, TrustStores& stores, HttpRequest request,
                           const asio::any_io_executor& executor)
    : completion(executor), multi_(multi), stores_(stores), request_(std::move(request)), easy_(multi.take()) {}

HttpTransfer::~HttpTransfer() {
  multi_.abort(easy_);
  multi_.give(easy_);
}

void HttpTransfer::append(List& list, const std::string& text) {
  list.reset(curl_slist_append(list.release(), text.c_str()));
}

std::optional<HttpTransfer::Mistake> HttpTransfer::prepare(const HttpPeer& peer,
                                                           const std::vector<asio::ip::address>& addresses) {
  https_ = request_.url.size() > 5 && (request_.url[4] == 's' || request_.url[4] == 'S');
  set(CURLOPT_URL, request_.url.c_str());
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_ERRORBUFFER, curl_error_.data());
  set(CURLOPT_HTTP_VERSION, request_.http2 ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1);
  set(CURLOPT_HEADERFUNCTION, &HttpTransfer::on_header);
  set(CURLOPT_HEADERDATA, this);
  set(CURLOPT_WRITEFUNCTION, &HttpTransfer::on_body);
  set(CURLOPT_WRITEDATA, this);
  set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  set(CURLOPT_USERAGENT, "tocsin/" TOCSIN_VERSION);
  set(CURLOPT_PROXY, request_.proxy_url.c_str());  // "" keeps curl from reading the environment
  if (!request_.source_address.empty()) set(CURLOPT_INTERFACE, ("host!" + request_.source_address).c_str());
  if (auto mistake = set_headers()) return mistake;
  set_method();
  set_route(peer, addresses);
  return set_tls();
}

std::optional<HttpTransfer::Mistake> HttpTransfer::set_headers() {
  std::string accepted;
  for (const auto& [name, value] : request_.headers) {
    if (name.empty() || has_line_end(name) || has_line_end(value) || name.find(':') != name.npos) {
      return Mistake{HttpFailure::kInternal, fmt::format("the header {:?} cannot be sent", name)};
    }
    if (request_.decompress && strcasecmp(name.c_str(), "Accept-Encoding") == 0) {
      accepted = value;
      continue;
    }
    append(headers_, value.empty() ? name + ";" : fmt::format("{}: {}", name, value));
  }
  // What curl would add by itself.
  if (header(request_.headers, "Content-Type").empty()) append(headers_, "Content-Type:");
  if (header(request_.headers, "Expect").empty()) append(headers_, "Expect:");
  set(CURLOPT_HTTPHEADER, headers_.get());
  if (request_.decompress) set(CURLOPT_ACCEPT_ENCODING, accepted.c_str());  // "": whatever curl can decode
  return std::nullopt;
}

void HttpTransfer::set_method() {
  if (request_.method == "HEAD") {
    set(CURLOPT_NOBODY, 1L);
    return;
  }
  const bool bodyless = request_.method == "GET" || request_.method == "DELETE" || request_.method == "OPTIONS";
  if (!request_.body.empty() || !bodyless) {
    set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request_.body.size()));
    set(CURLOPT_POSTFIELDS, request_.body.data());
  }
  set(CURLOPT_CUSTOMREQUEST, request_.method.c_str());
}

void HttpTransfer::set_route(const HttpPeer& peer, const std::vector<asio::ip::address>& addresses) {
  route_text_ = fmt::format("{}:{}", peer.host, peer.port);
  if (!request_.pinned_address.empty()) {
    boost::system::error_code not_literal;
    const auto address = asio::ip::make_address(request_.pinned_address, not_literal);
    const std::string to = not_literal ? request_.pinned_address : bracketed(address);
    route_text_ = fmt::format("{}:{}", to, peer.port);
    append(route_, fmt::format("::{}:", to));
    set(CURLOPT_CONNECT_TO, route_.get());
  } else if (!addresses.empty()) {
    std::string list;
    for (const auto& address : addresses) list += (list.empty() ? "" : ",") + bracketed(address);
    route_text_ += fmt::format(" ({})", list);
    // With "+" the entry ages like one that curl looked up itself.
    append(route_, fmt::format("+{}:{}:{}", peer.host, peer.port, list));
    set(CURLOPT_RESOLVE, route_.get());
  }
}

std::optional<HttpTransfer::Mistake> HttpTransfer::set_tls() {
  const TlsConfig& tls = request_.tls;
  // curl tells connections apart by its own TLS options, not by what is set in on_tls_context().
  const bool plain_tls = tls.ca_file.empty() && tls.cert_file.empty() && tls.server_name.empty() &&
                         tls.min_version == TlsVersion::kDefault && tls.max_version == TlsVersion::kDefault;
  const bool reuse = request_.reuse_connection && (plain_tls || !https_);
  set(CURLOPT_FRESH_CONNECT, reuse ? 0L : 1L);
  set(CURLOPT_FORBID_REUSE, reuse ? 0L : 1L);
  set(CURLOPT_SSL_SESSIONID_CACHE, 0L);  // a resumed session shows no certificates
  const bool https_proxy = request_.proxy_url.starts_with("https:");
  if (!https_ && !https_proxy) return std::nullopt;

  const Result<X509_STORE*> store = stores_.get(tls.ca_file);
  if (!store) return Mistake{HttpFailure::kInternal, store.error().message};
  store_ = *store;
  set(CURLOPT_CAINFO, nullptr);
  set(CURLOPT_CAPATH, nullptr);
  set(CURLOPT_CA_CACHE_TIMEOUT, 0L);
  set(CURLOPT_SSL_VERIFYPEER, tls.insecure_skip_verify ? 0L : 1L);
  // The name is checked in our verify callback with the rest. A proxy's handshake goes through the same callback, and
  // it is another host: there curl checks the names.
  set(CURLOPT_SSL_VERIFYHOST, https_proxy && !tls.insecure_skip_verify ? 2L : 0L);
  tls_ = std::make_shared<std::optional<TlsInfo>>();
  set(CURLOPT_SSL_CTX_FUNCTION, &HttpTransfer::on_tls_context);
  set(CURLOPT_SSL_CTX_DATA, this);
  return std::nullopt;
}

CURLcode HttpTransfer::on_tls_context(CURL*, void* context, void* self) {
  auto& transfer = *static_cast<HttpTransfer*>(self);
  auto* ssl_context = static_cast<SSL_CTX*>(context);
  const TlsConfig& tls = transfer.request_.tls;
  if (const auto error = arm_context(ssl_context, tls, transfer.store_, transfer.tls_)) {
    transfer.own_failure_ = HttpFailure::kInternal;
    transfer.own_error_ = error->message;
    return CURLE_SSL_CERTPROBLEM;
  }
  if (transfer.request_.proxy_url.starts_with("https:")) return CURLE_OK;
  std::string name = tls.server_name;
  if (name.empty()) {
    const Result<HttpPeer> target = peer_of(transfer.request_.url);
    if (target) name = target->host;
    if (name.starts_with('[')) name = name.substr(1, name.size() - 2);
  } else {
    force_sni(ssl_context, name);
  }
  expect_name(SSL_CTX_get0_param(ssl_context), name);
  return CURLE_OK;
}

void HttpTransfer::start() {
  multi_.start(easy_, [this](CURLcode code) {
    code_ = code;
    completion.set();
  });
}

std::size_t HttpTransfer::on_header(char* data, std::size_t, std::size_t length, void* self) {
  return static_cast<HttpTransfer*>(self)->take_header({data, length}) ? length : 0;
}

bool HttpTransfer::take_header(std::string_view line) {
  header_bytes_ += line.size();
  ++header_lines_;
  if (header_bytes_ > kHeaderBytesMax || header_lines_ > kHeaderLinesMax) {
    own_failure_ = HttpFailure::kProtocol;
    own_error_ = fmt::format("the answer's headers are too large: more than {} KiB or {} lines", kHeaderBytesMax >> 10,
                             kHeaderLinesMax);
    return false;
  }
  if (line.starts_with("HTTP/")) {  // also after each 1xx
    response_.headers.clear();
    headers_complete_ = false;
    note_reused_connection();
    return true;
  }
  while (line.ends_with('\n') || line.ends_with('\r')) line.remove_suffix(1);
  headers_complete_ = line.empty();
  const std::size_t colon = line.find(':');
  if (colon == line.npos || colon == 0) return true;
  std::string_view value = line.substr(colon + 1);
  value.remove_prefix(std::min(value.find_first_not_of(" \t"), value.size()));
  value = value.substr(0, value.find_last_not_of(" \t") + 1);
  response_.headers.emplace_back(line.substr(0, colon), value);
  return true;
}

/// A connection that was open already shook hands in an earlier transfer; its notes are still on its SSL object.
void HttpTransfer::note_reused_connection() {
  if (tls_ == nullptr || tls_->has_value() || !request_.want_tls_info) return;
  const curl_tlssessioninfo* session = nullptr;
  if (curl_easy_getinfo(easy_, CURLINFO_TLS_SSL_PTR, &session) != CURLE_OK || session == nullptr) return;
  if (session->internals != nullptr) *tls_ = tls_info(static_cast<const SSL*>(session->internals));
}

std::size_t HttpTransfer::on_body(char* data, std::size_t, std::size_t length, void* self) {
  auto& transfer = *static_cast<HttpTransfer*>(self);
  std::string& body = transfer.response_.body;
  const std::size_t room = transfer.request_.body_bytes_max - body.size();
  body.append(data, std::min(room, length));
  if (length <= room) return length;
  transfer.own_failure_ = HttpFailure::kBodyTooLarge;
  transfer.own_error_ = fmt::format("the body is larger than {} bytes", transfer.request_.body_bytes_max);
  return 0;
}

HttpResponse HttpTransfer::finish(bool ended, double resolve_seconds) {
  long number = 0;
  curl_easy_getinfo(easy_, CURLINFO_RESPONSE_CODE, &number);
  response_.status = static_cast<int>(number);
  curl_easy_getinfo(easy_, CURLINFO_HTTP_VERSION, &number);
  response_.http_version = number == CURL_HTTP_VERSION_2_0   ? "2"
                           : number == CURL_HTTP_VERSION_1_1 ? "1.1"
                           : number == CURL_HTTP_VERSION_1_0 ? "1.0"
                                                             : "";
  curl_off_t bytes = 0;
  curl_easy_getinfo(easy_, CURLINFO_SIZE_DOWNLOAD_T, &bytes);
  response_.wire_bytes = static_cast<std::uint64_t>(bytes);
  const char* address = nullptr;
  curl_easy_getinfo(easy_, CURLINFO_PRIMARY_IP, &address);
  response_.remote_address = address == nullptr ? "" : address;

  long request_bytes = 0;
  curl_off_t uploaded = 0;
  curl_easy_getinfo(easy_, CURLINFO_REQUEST_SIZE, &request_bytes);
  curl_easy_getinfo(easy_, CURLINFO_SIZE_UPLOAD_T, &uploaded);
  response_.request_sent = request_bytes > 0 && static_cast<std::size_t>(uploaded) >= request_.body.size();

  read_timings(resolve_seconds);
  if (request_.want_tls_info && tls_ != nullptr) response_.tls = *tls_;
  classify(ended);
  return std::move(response_);
}

void HttpTransfer::read_timings(double resolve_seconds) {
  const auto read = [this, resolve_seconds](CURLINFO which) {
    curl_off_t micros = 0;
    curl_easy_getinfo(easy_, which, &micros);
    return micros == 0 ? 0 : static_cast<double>(micros) / 1e6 + resolve_seconds;
  };
  HttpTimings& timings = response_.timings;
  timings.resolve = resolve_seconds;
  timings.connect = read(CURLINFO_CONNECT_TIME_T);
  timings.tls = read(CURLINFO_APPCONNECT_TIME_T);
  timings.request = read(CURLINFO_PRETRANSFER_TIME_T);
  timings.first_byte = read(CURLINFO_STARTTRANSFER_TIME_T);
  timings.total = read(CURLINFO_TOTAL_TIME_T);
}

std::string HttpTransfer::timeout_text() const {
  const HttpTimings& timings = response_.timings;
  // curl 7.88 tells when it connected only once TLS is done.
  if (timings.connect == 0) return https_ ? "timeout while connecting (TCP or TLS)" : "timeout while connecting";
  if (https_ && timings.tls == 0) return "timeout in the TLS handshake";
  if (timings.first_byte == 0) return "timeout before the answer began";
  return "timeout in the middle of the answer";
}

void HttpTransfer::classify(bool ended) {
  if (!ended) {
    response_.failure = HttpFailure::kTimeout;
    response_.error = timeout_text();
    return;
  }
  if (code_ == CURLE_OK && headers_complete_) return;
  if (code_ == CURLE_OK) {  // curl takes the end of the connection for the end of the headers
    response_.failure = HttpFailure::kReceive;
    response_.error = "the connection was closed in the middle of the headers";
    return;
  }
  const std::string text = curl_error_[0] != '\0' ? curl_error_.data() : curl_easy_strerror(code_);
  if (own_failure_ != HttpFailure::kNone) {
    response_.failure = own_failure_;
    response_.error = own_error_;
    return;
  }
  response_.failure = failure_of(code_, text);
  response_.error = text;
  if (response_.failure == HttpFailure::kCertificate && tls_ != nullptr && tls_->has_value()) {
    if (!(*tls_)->verify_error.empty()) response_.error = "certificate: " + (*tls_)->verify_error;
  }
  long os_error = 0;
  curl_easy_getinfo(easy_, CURLINFO_OS_ERRNO, &os_error);
  if (code_ == CURLE_COULDNT_CONNECT && os_error != 0) {
    response_.error = fmt::format("connect to {}: {}", route_text_, std::strerror(static_cast<int>(os_error)));
  }
}

}  // namespace tocsin
