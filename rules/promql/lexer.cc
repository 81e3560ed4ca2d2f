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
  std::string quoted_here(std::size_t ahead = 0) const { return quoted_character(text_, pos_ + ahead); }

  bool emit(Tok type, std::size_t length) {
    tokens_.push_back({type, static_cast<std::uint32_t>(pos_), text_.substr(pos_, length), {}});
    if (type == Tok::kOperator) tokens_.back().word = lower_case(tokens_.back().text);
    pos_ += length;
    return true;
  }
  bool fail(std::string message) {
    tokens_.push_back({Tok::kError, static_cast<std::uint32_t>(pos_), {}, std::move(message)});
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
    // Behind the first number, brackets are read like the rest; Prometheus' messages show it.
    return in_braces_ ? inside_braces() : in_brackets_ && !got_number_ ? inside_brackets() : outside();
  }

  bool parens(char c) {
    if (c == '(') ++paren_depth_;
    if (c == ')' && --paren_depth_ < 0) {
      ++pos_;  // said to be behind it
      return fail("unexpected right parenthesis ')'");
    }
    return emit(c == '(' ? Tok::kLeftParen : Tok::kRightParen, 1);
  }

  bool outside() {
    if (at_end() && paren_depth_ > 0) return fail("unclosed left parenthesis");
    if (at_end()) return in_brackets_ ? fail("unclosed left bracket") : end();
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
        return fail("unexpected character after '!': " + quoted_here(1));
      case '<':
      case '>':
        return emit(Tok::kOperator, peek(1) == '=' || peek(1) == '/' ? 2 : 1);
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
        if (in_brackets_) return fail("unexpected left bracket '['");
        in_brackets_ = true;
        got_number_ = got_value_ = got_colon_ = false;
        return emit(Tok::kLeftBracket, 1);
      case ']':
        if (!in_brackets_) return fail("unexpected right bracket ']'");
        in_brackets_ = false;
        return emit(Tok::kRightBracket, 1);
      default:
        break;
    }
    if (is_digit(c) || (c == '.' && is_digit(peek(1)))) return number();
    if (in_brackets_ && c == ':') {
      return std::exchange(got_colon_, true) ? fail("unexpected colon ':'") : emit(Tok::kColon, 1);
    }
    if (in_brackets_ && is_alpha(c)) {
      return duration_word() || fail(fmt::format("unexpected character: {}, expected ':'", quoted_here()));
    }
    if (is_alpha(c) || c == ':') return word();
    return fail("unexpected character: " + quoted_here());
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
        return fail("unexpected character after '!' inside braces: " + quoted_here(1));
      case '{':
        return fail("unexpected left brace '{'");
      case '}':
        in_braces_ = false;
        return emit(Tok::kRightBrace, 1);
      default:
        break;
    }
    if (!is_alpha(c)) return fail("unexpected character inside braces: " + quoted_here());
    std::size_t n = 1;
    while (is_alnum(peek(n))) ++n;
    return emit(Tok::kIdentifier, n);
  }

  bool inside_brackets() {
    if (at_end()) return fail("unexpected end of input in duration expression");
    const char c = peek();
    switch (c) {
      case ']':
        in_brackets_ = false;
        return emit(Tok::kRightBracket, 1);
      case ':':
        if (!got_value_) return fail("unexpected colon before duration in duration expression");
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
    got_value_ = true;
    got_number_ = is_digit(c) || (c == '.' && is_digit(peek(1)));
    if (got_number_) return number();
    return duration_word() || fail("unexpected character in duration expression: " + quoted_here());
  }

  /// step, range, min_of, max_of; false when it is none of them.
  bool duration_word() {
    std::size_t n = 0;
    while (is_alnum(peek(n))) ++n;
    const std::string name = lower_case(text_.substr(pos_, n));
    if (name == "step" || name == "range" || name == "min_of" || name == "max_of") {
      emit(Tok::kWord, n);
      tokens_.back().word = name;
      return true;
    }
    return false;
  }

  bool word() {
    std::size_t n = 1;
    while (is_alnum(peek(n)) || peek(n) == ':') ++n;
    const std::string_view written = text_.substr(pos_, n);
    const std::string name = lower_case(written);
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
    std::size_t end = pos_ + 1;
    for (;; ++end) {
      if (end >= text_.size()) return fail(quote == '`' ? "unterminated raw string" : "unterminated quoted string");
      const char c = text_[end];
      if (c == quote) break;
      if (quote == '`') continue;
      if (c == '\n') return fail("unterminated quoted string");
      if (c != '\\') continue;
      if (std::string mistake = read_escape(text_, ++end, quote, nullptr); !mistake.empty()) {
        return fail(std::move(mistake));
      }
      --end;
    }
    if (!is_valid_utf8(text_.substr(pos_, end - pos_))) return fail("invalid UTF-8 rune");
    return emit(Tok::kString, end + 1 - pos_);
  }

  /// Length of the number at the position; `ok` says whether it is one.
  std::size_t scan_number(bool& ok) const;
  bool number() {
    bool ok = false;
    std::size_t n = scan_number(ok);
    if (ok) return emit(Tok::kNumber, n);
    // A duration: digits and a unit, repeatedly; which units and in which order is checked when it is read.
    const auto is_in = [&](std::string_view set) { return peek(n) != '\0' && set.find(peek(n)) != set.npos; };
    bool unit = is_in("smhdwy");
    while (unit) {
      ++n;
      if (peek(n) == 's') ++n;
      if (!is_digit(peek(n))) break;
      while (is_digit(peek(n))) ++n;
      unit = is_in("smhdw");
    }
    if (unit && !is_alnum(peek(n))) return emit(Tok::kDuration, n);
    if (unit) ++n;
    return fail(fmt::format("bad number or duration syntax: {}", quoted(text_.substr(pos_, n))));
  }

  std::string_view text_;
  std::size_t pos_ = 0;
  std::vector<Token> tokens_;
  int paren_depth_ = 0;
  bool in_braces_ = false;
  bool in_brackets_ = false;
  bool got_number_ = false;  // since the bracket
  bool got_value_ = false;
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
  if (is_in(".")) ++n;  // not counted: `.5.5` is taken for a number, and refused when it is read
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
      if (is_in("._eE")) return n + 1;
      if (pos_ + n >= text_.size()) return n;
    } else if (is_in("_")) {
      ++n;
      if (is_in("._eE")) return n + 1;
      if (pos_ + n >= text_.size()) return n;
    } else {
      break;
    }
  }
  ok = n > 0 && !is_alnum(peek(n));
  return n;
}

}  // namespace

std::vector<Token> lex(std::string_view text) {
  return Lexer(text).run();
}

}  // namespace tocsin::promql
