// Matchers as people write them. Alertmanager has had two grammars, and by default reads a text with both: the newer
// one, which takes any UTF-8 but wants quotes around reserved characters, and the classic one, which is lenient about
// quotes and strict about names. Where only one accepts the text, that one counts; where they understand it
// differently, the classic one does, so that no configuration changes its meaning (Alertmanager docs, "UTF-8 matchers",
// fallback mode).

#include <algorithm>
#include <optional>

#include "agent/core/go_text.h"
#include "agent/core/matcher.h"

namespace tocsin {
namespace {

bool is_reserved(char32_t rune) {
  return is_space(rune) ||
         (rune < 0x80 && std::string_view("{}!=~,\\\"'`").find(static_cast<char>(rune)) != std::string_view::npos);
}

struct Token {
  enum class Kind { kEnd, kOpen, kClose, kComma, kOperator, kQuoted, kUnquoted } kind = Kind::kEnd;
  std::string_view text;
  std::size_t column = 0;  // in characters, from 0
};

class Utf8Parser {
 public:
  explicit Utf8Parser(std::string_view text) : rest_(text) {}

  Result<Matchers> parse() {
    Matchers matchers;
    if (!advance()) return unexpected(error_);
    const bool braces = token_.kind == Kind::kOpen;
    if (braces && !advance()) return unexpected(error_);
    while (token_.kind == Kind::kQuoted || token_.kind == Kind::kUnquoted) {
      Result<Matcher> matcher = one();
      if (!matcher) return unexpected(matcher.error());
      matchers.push_back(std::move(*matcher));
      if (token_.kind != Kind::kComma) break;
      if (!advance()) return unexpected(error_);
    }
    if (braces) {
      if (token_.kind != Kind::kClose) return unexpected(wanted(matchers.empty() ? "a label name" : "a comma or }"));
      if (!advance()) return unexpected(error_);
    }
    if (token_.kind != Kind::kEnd) {
      return unexpected(wanted(matchers.empty() ? "a label name" : braces ? "the end" : "a comma or the end"));
    }
    return matchers;
  }

 private:
  using Kind = Token::Kind;
  static tl::unexpected<Error> unexpected(const Error& error) { return tl::make_unexpected(error); }

  Result<Matcher> one() {
    const std::optional<std::string> name = text();
    if (!name) return unexpected(error_);
    if (token_.kind != Kind::kOperator) return unexpected(wanted("an operator such as =, !=, =~ or !~"));
    const MatchOp op = token_.text == "="    ? MatchOp::kEqual
                       : token_.text == "!=" ? MatchOp::kNotEqual
                       : token_.text == "=~" ? MatchOp::kRegex
                                             : MatchOp::kNotRegex;
    if (!advance()) return unexpected(error_);
    if (token_.kind != Kind::kQuoted && token_.kind != Kind::kUnquoted) return unexpected(wanted("a label value"));
    const std::optional<std::string> value = text();
    if (!value) return unexpected(error_);
    return Matcher::make(*name, op, *value);
  }

  // What the token says, its quotes resolved; moves on.
  std::optional<std::string> text() {
    std::optional<std::string> out =
        token_.kind == Kind::kQuoted ? unquoted(token_.text) : std::optional<std::string>(token_.text);
    if (!out || !is_valid_utf8(*out)) {
      error_ = at(token_, "is no valid text");
      return std::nullopt;
    }
    if (!advance()) return std::nullopt;
    return out;
  }

  Error at(const Token& token, std::string_view problem) const {
    return {fmt::format("{} at column {} {}", quoted(token.text), token.column + 1, problem)};
  }
  Error wanted(std::string_view what) const {
    if (token_.kind == Kind::kEnd) return {fmt::format("the text ends where {} was expected", what)};
    return at(token_, fmt::format("stands where {} was expected", what));
  }

  char32_t take() {
    ++column_;
    return take_rune(rest_);
  }
  bool next_is(char c) const { return !rest_.empty() && rest_.front() == c; }

  // Reads the next token; false with error_ set when there is none.
  bool advance() {
    for (std::string_view ahead = rest_; !ahead.empty() && is_space(take_rune(ahead)); ahead = rest_) take();
    const std::string_view from = rest_;
    token_ = {Kind::kEnd, {}, column_};
    if (rest_.empty()) return true;
    const char32_t first = take();
    bool good = true;
    switch (first) {
      case '{':
        token_.kind = Kind::kOpen;
        break;
      case '}':
        token_.kind = Kind::kClose;
        break;
      case ',':
        token_.kind = Kind::kComma;
        break;
      case '=':
      case '!':
        token_.kind = Kind::kOperator;
        if (next_is('~') || (first == '!' && next_is('='))) {
          take();
        } else {
          good = first == '=';
        }
        break;
      case '"':
        good = quoted_end();
        break;
      default:
        token_.kind = Kind::kUnquoted;
        good = !is_reserved(first);
        for (std::string_view ahead = rest_; !ahead.empty() && !is_reserved(take_rune(ahead)); ahead = rest_) take();
    }
    token_.text = from.substr(0, from.size() - rest_.size());
    if (!good) error_ = at(token_, first == '"' ? "has no closing quote" : "needs quotes around it");
    return good;
  }

  bool quoted_end() {
    token_.kind = Kind::kQuoted;
    while (!rest_.empty()) {
      const char32_t rune = take();
      if (rune == '"') return true;
      if (rune == '\\' && !rest_.empty()) take();
    }
    return false;
  }

  std::string_view rest_;
  std::size_t column_ = 0;
  Token token_;
  Error error_;
};

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\n\v\f\r";
  const std::size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

Result<std::string> classic_value(std::string_view raw) {
  const auto bare_quote = [&] { return fail("the value {} has a quote that is not escaped", quoted(raw)); };
  std::string_view rest = raw;
  bool closing = rest.starts_with('"');
  if (closing) rest.remove_prefix(1);
  std::string out;
  for (std::size_t i = 0; i < rest.size(); ++i) {
    const bool last = i + 1 == rest.size();
    if (rest[i] == '"') {
      if (!closing || !last) return bare_quote();
      closing = false;
    } else if (rest[i] != '\\' || last) {
      out += rest[i];
    } else {
      const char next = rest[++i];
      if (next == 'n') {
        out += '\n';
      } else {
        if (next != '"' && next != '\\') out += '\\';
        out += next;
      }
    }
  }
  if (closing) return bare_quote();
  return out;
}

Result<Matcher> classic_matcher(std::string_view whole) {
  std::string_view text = trimmed(whole);
  const auto bad = [&] { return fail("{} is no matcher (like severity=\"page\")", quoted(whole)); };
  const std::size_t end = text.find_first_of(" \t\n\v\f\r=!");
  if (end == std::string_view::npos || !is_valid_legacy_metric_name(text.substr(0, end))) return bad();
  const std::string_view name = text.substr(0, end);
  text = trimmed(text.substr(end));
  for (const MatchOp op : {MatchOp::kRegex, MatchOp::kNotEqual, MatchOp::kNotRegex, MatchOp::kEqual}) {
    const std::string_view sign = to_string(op);
    if (!text.starts_with(sign)) continue;
    Result<std::string> value = classic_value(trimmed(text.substr(sign.size())));
    if (!value) return tl::make_unexpected(value.error());
    return Matcher::make(name, op, *value);
  }
  return bad();
}

Result<Matchers> classic_matchers(std::string_view text) {
  if (text.starts_with('{')) text.remove_prefix(1);
  if (text.ends_with('}')) text.remove_suffix(1);
  std::vector<std::string_view> parts;
  bool inside_quotes = false, escaped = false;
  std::size_t start = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == ',' && !inside_quotes) {
      parts.push_back(text.substr(start, i - start));
      start = i + 1;
    } else if (c == '"' && !escaped) {
      inside_quotes = !inside_quotes;
    }
    escaped = c == '\\' && !escaped;
  }
  if (const std::string_view rest = trimmed(text.substr(start)); !rest.empty()) parts.push_back(rest);
  Matchers matchers;
  for (const std::string_view part : parts) {
    Result<Matcher> matcher = classic_matcher(part);
    if (!matcher) return tl::make_unexpected(matcher.error());
    matchers.push_back(std::move(*matcher));
  }
  return matchers;
}

}  // namespace

Result<Matchers> parse_matchers(std::string_view text) {
  if (!is_valid_utf8(text)) return fail("the matcher {} is not valid UTF-8", quoted(text));
  Result<Matchers> utf8 = Utf8Parser(text).parse();
  Result<Matchers> classic = classic_matchers(text);
  return classic && (!utf8 || *utf8 != *classic) ? classic : utf8;
}

}  // namespace tocsin
