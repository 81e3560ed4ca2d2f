#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rules/promql/promql.h"

namespace tocsin::promql {

enum class Tok {
  kEnd,
  kError,
  kIdentifier,
  kMetricIdentifier,
  kNumber,
  kDuration,
  kString,
  kLeftParen,
  kRightParen,
  kLeftBrace,
  kRightBrace,
  kLeftBracket,
  kRightBracket,
  kComma,
  kColon,
  kAssign,
  kOperator,    // arithmetic, comparison, set operators, =~ !~ and @
  kAggregator,  // sum, topk …
  kKeyword,     // by, on, offset …
  kWord,        // start, end, step, range, min_of, max_of: a name unless the place says otherwise
};

struct Token {
  Tok type = Tok::kEnd;
  std::uint32_t begin = 0;
  std::string_view text;  // as written
  std::string word;       // in lower case, for operators, aggregators, keywords and words; the message of an error
  std::uint32_t end() const { return begin + static_cast<std::uint32_t>(text.size()); }
  bool is(Tok t, std::string_view w) const { return type == t && word == w; }
};

/// What a message calls the token: `identifier "foo"`, `<op:+>`, `end of input`.
std::string describe(const Token& token);

/// Cuts `text` into tokens; the last one is kEnd, or kError where the text cannot be read further. Comments are left
/// out.
std::vector<Token> lex(std::string_view text);

/// Reads the escape sequence whose backslash stands before text[i], and moves i behind it. What it stands for goes to
/// `out`, if wanted. Returns what is wrong with it, or "".
std::string read_escape(std::string_view text, std::size_t& i, char quote, std::string* out);

/// What a quoted string stands for, with Go's escapes; nothing when it is malformed. May hold bytes that are not UTF-8.
std::optional<std::string> unquote(std::string_view quoted);

/// The character at a byte as Go's %q shows it: 'x', '\n'; beyond the end it is the replacement character.
std::string quoted_character(std::string_view text, std::size_t i);

std::string lower_case(std::string_view text);

/// Line and column of a byte.
Place place_of(std::string_view text, std::uint32_t byte);

}  // namespace tocsin::promql
