#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/core/result.h"
#include "agent/core/time.h"

/// Internet messages as values: nothing here sends anything.
namespace tocsin::mail {

struct Mail {
  std::string from;             // "tocsin <tocsin@example.com>" or a bare address
  std::vector<std::string> to;  // the same
  std::string subject;
  TimePoint date;
  std::string message_id;               // without angle brackets
  std::vector<std::string> references;  // message ids, oldest first; the last is also In-Reply-To
  std::vector<std::pair<std::string, std::string>> headers;
  std::string text;
  std::string html;
};

/// RFC 5322 with CRLF: multipart/alternative, both parts quoted-printable UTF-8; header text beyond ASCII as RFC 2047
/// encoded words, long lines folded. CR and LF in header values become blanks, so that nothing can be smuggled in.
std::string format(const Mail& mail);

/// The address in `name <address>` or in a bare address. Error: there is none, or it holds blanks or control
/// characters.
Result<std::string> address(std::string_view text);

/// RFC 2045 §6.7, lines of at most 76 characters, CRLF line ends.
std::string quoted_printable(std::string_view text);

/// One header value: as it is when it is ASCII, else as encoded words of at most 75 characters (RFC 2047).
std::string header_text(std::string_view text);

}  // namespace tocsin::mail
