#pragma once

#include <boost/asio/awaitable.hpp>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "notifiers/http_result.h"
#include "notifiers/notifier.h"

namespace tocsin {

/// What the table of every channel over HTTP has beside the vendor's own fields.
struct HttpChannelConfig {
  std::string proxy_url;
  TlsConfig tls;
  void fields(Fields& f);
};

/// One request to a vendor.
struct VendorCall {
  std::string url;
  std::string content_type = "application/json";
  std::string body = {};
  HttpHeaders headers = {};
  /// What must not be told, wherever the other side echoes it.
  std::vector<std::string> secrets = {};
  std::string method = "POST";
};

struct VendorAnswer {
  SendResult result;  // by HTTP's own rules (http_result)
  int status = 0;
  std::string body;
  HttpHeaders headers;

  /// The body as JSON; an object without members when it is none.
  nlohmann::json json() const;
};

/// Makes the call on a connection that is kept, and reads at most 64 KiB of the answer.
boost::asio::awaitable<VendorAnswer> call_vendor(NotifierServices& services, const HttpChannelConfig& channel,
                                                 VendorCall call, Deadline deadline);

/// Compact, with broken UTF-8 replaced.
std::string dump(const nlohmann::ordered_json& body);

/// The secrets' values in the order given. Error: one cannot be read now; its file may be about to be replaced, so it
/// is worth another try.
Result<std::vector<std::string>> reveal(const std::vector<const Secret*>& secrets);

/// A wait that a vendor told in seconds in its body, within what is believed.
Duration vendor_wait(double seconds);

}  // namespace tocsin
