#pragma once

#include <boost/asio/awaitable.hpp>

#include "agent/net/http_client.h"
#include "agent/net/resolver.h"

namespace tocsin {

/// One mail to one SMTP server; see HttpClient::send_mail, which is how it is called.
boost::asio::awaitable<SmtpResponse> send_mail(Resolver& resolver, SmtpRequest request, Deadline deadline);

}  // namespace tocsin
