// The lexer reads the whole text at once. What a character means depends on where it stands: inside braces words are
// label names, inside brackets there are only durations and arithmetic, and everywhere else words may be keywords. A
// text that cannot be read ends in one error token, so the parser reports it when, and only if, it gets there.

#include "rules/promql/lexer.h"

#include <array>
#include <optional>

namespace tocsin::promql {
namespace {

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_alpha(char c) {
  return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool is_alnum(char c) {
  return is_alpha(c) || is_digit(c);
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

struct Word {
  std::string_view text;
  Tok type;
};
constexpr std::array kWords = std::to_array<Word>({
    {"and", Tok::kOperator},        {"or", Tok::kOperator},        {"unless", Tok::kOperator},
    {"atan2", Tok::kOperator},      {"sum", Tok::kAggregator},     {"avg", Tok::kAggregator},
    {"count", Tok::kAggregator},    {"min", Tok::kAggregator},     {"max", Tok::kAggregator},
    {"group", Tok::kAggregator},    {"stddev", Tok::kAggregator},  {"stdvar", Tok::kAggregator},
    {"topk", Tok::kAggregator},     {"bottomk", Tok::kAggregator}, {"count_values", Tok::kAggregator},
    {"quantile", Tok::kAggregator}, {"limitk", Tok::kAggregator},  {"limit_ratio", Tok::kAggregator},
    {"offset", Tok::kKeyword},      {"smoothed", Tok::kKeyword},   {"anchored", Tok::kKeyword},
    {"by", Tok::kKeyword},          {"without", Tok::kKeyword},    {"on", Tok::kKeyword},
    {"ignoring", Tok::kKeyword},    {"group_left", Tok::kKeyword}, {"group_right", Tok::kKeyword},
    {"fill", Tok::kKeyword},        {"fill_left", Tok::kKeyword},  {"fill_right", Tok::kKeyword},
    {"bool", Tok::kKeyword},        {"start", Tok::kWord},         {"end", Tok::kWord},
    {"step", Tok::kWord},           {"range", Tok::kWord},         {"min_of", Tok::kWord},
    {"max_of", Tok::kWord},         {"inf", Tok::kNumber},         {"nan", Tok::kNumber},
});

std::string quoted_char(char c) {
  if (c == '\'') return R"('\'')";
  return fmt::format("'{}'", c);
}

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  std::vector<Token> run() {
    while (step()) {
    }
    return std::move(tokens_);
  }

 private:
  char peek(std::size_t ahead = 0) const { return pos_ + ahead < text_.size() ? text_[pos_ + ahead] : '\0'; }
  bool at_end() const { return pos_ >= text_.size(); }
  /// The whole character (not byte) at the position, for messages.
  std::string_view rune() const {
    std::size_t n = 1;
    while (pos_ + n < text_.size() && (static_cast<unsigned char>(text_[pos_ + n]) & 0xC0) == 0x80) ++n;
    return text_.substr(pos_, n);
  }
  std::string rune_quoted() const {
    return at_end() ? "'\\x00'" : rune().size() == 1 ? quoted_char(peek()) : fmt::format("'{}'", rune());
  }

  bool emit(Tok type, std::size_t length) {
    tokens_.push_back({type, static_cast<std::uint32_t>(pos_), text_.substr(pos_, length), {}});
    if (type == Tok::kOperator) tokens_.back().word = lower(tokens_.back().text);
    pos_ += length;
    return true;
  }
  bool fail(std::string message) { return fail_at(pos_, std::move(message)); }
  bool fail_at(std::size_t at, std::string message) {
    tokens_.push_back({Tok::kError, static_cast<std::uint32_t>(at), {}, std::move(message)});
    return false;
  }
  bool end() {
    tokens_.push_back({Tok::kEnd, static_cast<std::uint32_t>(text_.size()), {}, {}});
    return false;
  }

  bool step() {
    while (!at_end() && (is_space(peek()) || peek() == '#')) {
      if (peek() == '#') {
        while (!at_end() && peek() != '\n' && peek() != '\r') ++pos_;
      } else {
        ++pos_;
      }
    }
    return in_braces_ ? inside_braces() : in_brackets_ ? inside_brackets() : outside();
  }

  bool parens(char c) {
    if (c == '(') ++paren_depth_;
    if (c == ')' && --paren_depth_ < 0) return fail("unexpected right parenthesis ')'");
    return emit(c == '(' ? Tok::kLeftParen : Tok::kRightParen, 1);
  }

  bool outside() {
    if (at_end()) return paren_depth_ > 0 ? fail("unclosed left parenthesis") : end();
    const char c = peek();
    switch (c) {
      case ',':
        return emit(Tok::kComma, 1);
      case '*':
      case '/':
      case '%':
      case '+':
      case '-':
      case '^':
      case '@':
        return emit(Tok::kOperator, 1);
      case '=':
        if (peek(1) == '~') return fail("unexpected character after '=': '~'");
        return peek(1) == '=' ? emit(Tok::kOperator, 2) : emit(Tok::kAssign, 1);
      case '!':
        if (peek(1) == '=') return emit(Tok::kOperator, 2);
        ++pos_;
        return fail_at(pos_ - 1, fmt::format("unexpected character after '!': {}", rune_quoted()));
      case '<':
      case '>':
        return emit(Tok::kOperator, peek(1) == '=' ? 2 : 1);
      case '"':
      case '\'':
      case '`':
        return string();
      case '(':
      case ')':
        return parens(c);
      case '{':
        in_braces_ = true;
        return emit(Tok::kLeftBrace, 1);
      case '[':
        in_brackets_ = true;
        got_duration_ = got_colon_ = false;
        return emit(Tok::kLeftBracket, 1);
      case ']':
        return fail("unexpected right bracket ']'");
      default:
        break;
    }
    if (is_digit(c) || (c == '.' && is_digit(peek(1)))) return number();
    if (is_alpha(c) || c == ':') return word();
    return fail(fmt::format("unexpected character: {}", rune_quoted()));
  }

  bool inside_braces() {
    if (at_end()) return fail("unexpected end of input inside braces");
    const char c = peek();
    switch (c) {
      case ',':
        return emit(Tok::kComma, 1);
      case '"':
      case '\'':
      case '`':
        return string();
      case '=':
        return peek(1) == '~' ? emit(Tok::kOperator, 2) : emit(Tok::kAssign, 1);
      case '!':
        if (peek(1) == '=' || peek(1) == '~') return emit(Tok::kOperator, 2);
        ++pos_;
        return fail_at(pos_ - 1, fmt::format("unexpected character after '!' inside braces: {}", rune_quoted()));
      case '{':
        return fail("unexpected left brace '{'");
      case '}':
        in_braces_ = false;
        return emit(Tok::kRightBrace, 1);
      default:
        break;
    }
    if (!is_alpha(c)) return fail(fmt::format("unexpected character inside braces: {}", rune_quoted()));
    std::size_t n = 1;
    while (is_alnum(peek(n))) ++n;
    return emit(Tok::kIdentifier, n);
  }

  bool inside_brackets() {
    if (at_end())
      return fail(got_duration_ ? "unclosed left bracket" : "unexpected end of input in duration expression");
    const char c = peek();
    switch (c) {
      case ']':
        in_brackets_ = false;
        return emit(Tok::kRightBracket, 1);
      case ':':
        if (!got_duration_) return fail("unexpected colon before duration in duration expression");
        if (got_colon_) return fail("unexpected repeated colon in duration expression");
        got_colon_ = true;
        return emit(Tok::kColon, 1);
      case '(':
      case ')':
        return parens(c);
      case '+':
      case '-':
      case '*':
      case '/':
      case '%':
      case '^':
        return emit(Tok::kOperator, 1);
      case ',':
        return emit(Tok::kComma, 1);
      case '[':
        return fail("unexpected left bracket '['");
      default:
        break;
    }
    got_duration_ = true;
    if (is_digit(c) || (c == '.' && is_digit(peek(1)))) return number();
    std::size_t n = 0;
    while (is_alnum(peek(n))) ++n;
    const std::string name = lower(text_.substr(pos_, n));
    if (name == "step" || name == "range" || name == "min_of" || name == "max_of") {
      emit(Tok::kWord, n);
      tokens_.back().word = name;
      return true;
    }
    return fail(fmt::format("unexpected character in duration expression: {}", rune_quoted()));
  }

  bool word() {
    std::size_t n = 1;
    while (is_alnum(peek(n)) || peek(n) == ':') ++n;
    const std::string_view written = text_.substr(pos_, n);
    const std::string name = lower(written);
    for (const Word& w : kWords) {
      if (w.text != name) continue;
      // "fill" came late to the language: it is a name unless a parenthesis follows.
      if (name.starts_with("fill")) {
        std::size_t next = n;
        while (is_space(peek(next))) ++next;
        if (peek(next) != '(') break;
      }
      emit(w.type, n);
      tokens_.back().word = name;
      return true;
    }
    return emit(written.find(':') == std::string_view::npos ? Tok::kIdentifier : Tok::kMetricIdentifier, n);
  }

  bool string() {
    const char quote = peek();
    std::size_t n = 1;
    for (;; ++n) {
      if (pos_ + n >= text_.size())
        return fail(quote == '`' ? "unterminated raw string" : "unterminated quoted string");
      const char c = peek(n);
      if (c == quote) break;
      if (quote == '`') continue;
      if (c == '\n') return fail("unterminated quoted string");
      if (c == '\\') {
        ++n;
        if (pos_ + n >= text_.size()) return fail("escape sequence not terminated");
      }
    }
    const std::string_view written = text_.substr(pos_, n + 1);
    if (!is_valid_utf8(written)) return fail("invalid UTF-8 rune");
    if (!unquote(written)) return fail("unknown escape sequence");
    return emit(Tok::kString, n + 1);
  }

  /// Length of the number at the position; `ok` says whether it is one.
  std::size_t scan_number(bool& ok) const;
  bool number() {
    bool ok = false;
    std::size_t n = scan_number(ok);
    if (ok) return emit(Tok::kNumber, n);
    // A duration: digits and a unit, repeatedly; which units and in which order is checked when it is read.
    n = 0;
    while (is_digit(peek(n))) {
      while (is_digit(peek(n))) ++n;
      if (std::string_view("smhdwy").find(peek(n)) == std::string_view::npos || peek(n) == '\0') break;
      ++n;
      if (peek(n) == 's') ++n;
      if (!is_alnum(peek(n))) return emit(Tok::kDuration, n);
    }
    if (is_alnum(peek(n)) || n == 0) ++n;
    return fail(fmt::format("bad number or duration syntax: {}", quoted(text_.substr(pos_, n))));
  }

  std::string_view text_;
  std::size_t pos_ = 0;
  std::vector<Token> tokens_;
  int paren_depth_ = 0;
  bool in_braces_ = false;
  bool in_brackets_ = false;
  bool got_duration_ = false;
  bool got_colon_ = false;
};

std::size_t Lexer::scan_number(bool& ok) const {
  std::size_t n = 0;
  const auto is_in = [&](std::string_view set) {
    return pos_ + n < text_.size() && set.find(peek(n)) != std::string_view::npos;
  };
  std::string_view digits = "0123456789";
  const bool hex = peek() == '0' && (peek(1) == 'x' || peek(1) == 'X');
  if (hex) {
    digits = "0123456789abcdefABCDEF";
    n = 2;
    if (is_in("_")) ++n;
  }
  bool dot = false, exponent = false;
  ok = false;
  while (true) {
    if (is_in(digits)) {
      ++n;
    } else if (is_in(".")) {
      if (dot || hex) return n + 1;
      dot = true;
      ++n;
      if (is_in("_.")) return n + 1;
    } else if (!hex && is_in("eE")) {
      if (exponent) return n + 1;
      exponent = true;
      ++n;
      if (is_in("+-")) ++n;
      if (is_in("._eE") || pos_ + n >= text_.size()) return n;
    } else if (is_in("_")) {
      ++n;
      if (is_in("._eE") || pos_ + n >= text_.size()) return n;
    } else {
      break;
    }
  }
  ok = n > 0 && !is_alnum(peek(n)) && !(hex && n == 2);
  return n;
}

void append_utf8(std::string& out, std::uint32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xC0 | (c >> 6));
    out += static_cast<char>(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    out += static_cast<char>(0xE0 | (c >> 12));
    out += static_cast<char>(0x80 | ((c >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (c & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | (c >> 18));
    out += static_cast<char>(0x80 | ((c >> 12) & 0x3F));
    out += static_cast<char>(0x80 | ((c >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (c & 0x3F));
  }
}

int digit_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return 16;
}

/// Reads the escape at text[i] (behind the backslash) and moves i behind it.
bool read_escape(std::string_view text, std::size_t& i, char quote, std::string& out) {
  static constexpr std::string_view kNames = "abfnrtv\\";
  static constexpr std::string_view kValues = "\a\b\f\n\r\t\v\\";
  const char c = text[i++];
  if (const auto at = kNames.find(c); at != std::string_view::npos) {
    out += kValues[at];
    return true;
  }
  if (c == quote) {
    out += c;
    return true;
  }
  int count = 0, base = 16;
  if (c >= '0' && c <= '7') {
    count = 3;
    base = 8;
    --i;
  } else {
    count = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
  }
  if (count == 0) return false;
  std::uint64_t value = 0;
  for (; count > 0; --count, ++i) {
    if (i >= text.size() || digit_value(text[i]) >= base) return false;
    value = value * static_cast<unsigned>(base) + static_cast<unsigned>(digit_value(text[i]));
  }
  if (c == 'u' || c == 'U') {
    if (value > 0x10FFFF || (value >= 0xD800 && value < 0xE000)) return false;
    append_utf8(out, static_cast<std::uint32_t>(value));
    return true;
  }
  if (value > 255) return false;
  out += static_cast<char>(value);
  return true;
}

}  // namespace

std::optional<std::string> unquote(std::string_view text) {
  if (text.size() < 2 || text.front() != text.back()) return std::nullopt;
  const char quote = text.front();
  text = text.substr(1, text.size() - 2);
  if (quote == '`') return std::string(text);
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    if (text[i] != '\\') {
      out += text[i++];
    } else if (++i >= text.size() || !read_escape(text, i, quote, out)) {
      return std::nullopt;
    }
  }
  return out;
}

std::vector<Token> lex(std::string_view text) {
  return Lexer(text).run();
}

std::string describe(const Token& token) {
  const auto text = [&] {
    return token.text.size() > 10 ? fmt::format("{}...", quoted(token.text.substr(0, 10))) : quoted(token.text);
  };
  switch (token.type) {
    case Tok::kEnd:
      return "end of input";
    case Tok::kError:
      return "error " + token.word;
    case Tok::kIdentifier:
      return "identifier " + quoted(token.text);
    case Tok::kMetricIdentifier:
      return "metric identifier " + quoted(token.text);
    case Tok::kNumber:
      return "number " + text();
    case Tok::kDuration:
      return "duration " + text();
    case Tok::kString:
      return "string " + text();
    case Tok::kOperator:
      return fmt::format("<op:{}>", token.text);
    case Tok::kAggregator:
      return fmt::format("<aggr:{}>", token.text);
    case Tok::kKeyword:
      return fmt::format("<{}>", token.text);
    default:
      return text();
  }
}

Place place_of(std::string_view text, std::uint32_t byte) {
  Place place;
  std::size_t line_start = 0;
  const std::size_t until = std::min<std::size_t>(byte, text.size());
  for (std::size_t i = 0; i < until; ++i) {
    if (text[i] != '\n') continue;
    ++place.line;
    line_start = i + 1;
  }
  place.column = static_cast<std::uint32_t>(until - line_start + 1);
  return place;
}

}  // namespace tocsin::promql
