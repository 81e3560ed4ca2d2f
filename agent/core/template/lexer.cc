// The lexer of Go's text/template: text between actions, and tokens inside of them. Spaces inside an action are tokens,
// because
// `.A.B` and `.A .B` differ. A mistake ends the list; the parser tells it only when it gets there, as Go does.

#include "agent/core/template/lexer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "agent/core/go_text.h"

namespace tocsin::tmpl {
namespace {

constexpr std::string_view kSpaces = " \t\r\n";
constexpr std::array<std::string_view, 11> kKeywords = {"block", "break", "continue", "define",   "else", "end",
                                                        "if",    "nil",   "range",    "template", "with"};

bool is_alnum(char32_t r) {
  return r == '_' || (r >= '0' && r <= '9') || (r >= 'a' && r <= 'z') || (r >= 'A' && r <= 'Z') ||
         (r >= 0x80 && r != U'\ufffd' && !is_space(r));
}

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(source) {}

  std::vector<Token> run() {
    while (good_ && at_ < source_.size()) text();
    if (good_) add(Token::Kind::kEnd, source_.size(), source_.size());
    return std::move(tokens_);
  }

 private:
  using Kind = Token::Kind;

  std::string_view rest() const { return source_.substr(at_); }
  bool see(std::string_view what) const { return rest().starts_with(what); }
  char peek(std::size_t ahead = 0) const { return at_ + ahead < source_.size() ? source_[at_ + ahead] : '\0'; }
  static bool space(char c) { return c != '\0' && kSpaces.find(c) != std::string_view::npos; }

  void add(Kind kind, std::size_t from, std::size_t to) {
    tokens_.push_back({kind, std::string(source_.substr(from, to - from)), from});
  }
  void error(std::string message, std::size_t at) {
    tokens_.push_back({Kind::kError, std::move(message), at});
    good_ = false;
  }

  // Text up to the next action, then the whole action.
  void text() {
    const std::size_t from = at_;
    const std::size_t left = source_.find("{{", from);
    std::size_t to = std::min(left, source_.size());
    const bool trim = left != std::string_view::npos && left + 3 < source_.size() && source_[left + 2] == '-' &&
                      space(source_[left + 3]);
    if (trim) {
      while (to > from && space(source_[to - 1])) --to;
    }
    if (to > from) add(Kind::kText, from, to);
    if (left == std::string_view::npos) {
      at_ = source_.size();
      return;
    }
    at_ = left;
    const std::size_t inside = left + (trim ? 4 : 2);
    if (source_.substr(inside).starts_with("/*")) return comment(inside);
    add(Kind::kLeft, left, left + 2);
    at_ = left + (trim ? 3 : 2);
    parens_ = 0;
    while (good_ && !right()) token();
  }

  void skip_trimmed(bool trim) {
    while (trim && at_ < source_.size() && space(source_[at_])) ++at_;
  }

  void comment(std::size_t from) {
    const std::size_t end = source_.find("*/", from + 2);
    if (end == std::string_view::npos) return error("unclosed comment", at_);
    at_ = end + 2;
    const bool trim = space(peek()) && peek(1) == '-' && rest().substr(2).starts_with("}}");
    if (trim) at_ += 2;
    if (!see("}}")) return error("comment ends before closing delimiter", at_);
    at_ += 2;
    skip_trimmed(trim);
  }

  // }} or " -}}"; false when there is something else.
  bool right() {
    const bool trim = space(peek()) && peek(1) == '-' && rest().substr(2).starts_with("}}");
    if (!trim && !see("}}")) return false;
    if (parens_ > 0) {
      error("unclosed left paren", at_);
      return true;
    }
    if (trim) at_ += 2;
    add(Kind::kRight, at_, at_ + 2);
    at_ += 2;
    skip_trimmed(trim);
    return true;
  }

  void token() {
    if (at_ >= source_.size()) return error("unclosed action", at_);
    const std::size_t from = at_;
    const char c = peek();
    const auto single = [&](Kind kind) {
      ++at_;
      add(kind, from, at_);
    };
    if (space(c)) {
      // The last space may belong to " -}}".
      do {
        ++at_;
      } while (space(peek()) && !(peek(1) == '-' && rest().substr(2).starts_with("}}")));
      return add(Kind::kSpace, from, at_);
    }
    if (see(":=")) {
      at_ += 2;
      return add(Kind::kDeclare, from, at_);
    }
    switch (c) {
      case '=':
        return single(Kind::kAssign);
      case ':':
        return error("expected :=", from);
      case '|':
        return single(Kind::kPipe);
      case ',':
        return single(Kind::kComma);
      case '"':
        return quoted('"', Kind::kString, "unterminated quoted string");
      case '\'':
        return quoted('\'', Kind::kChar, "unterminated character constant");
      case '`':
        return raw();
      case '(':
        ++parens_;
        return single(Kind::kOpen);
      case ')':
        if (--parens_ < 0) return error("unexpected right paren", from);
        return single(Kind::kClose);
      case '$':
        ++at_;
        return name(from, Kind::kVariable);
      case '.':
        if (peek(1) >= '0' && peek(1) <= '9') return number();
        ++at_;
        return name(from, Kind::kField);
      default:
        break;
    }
    if (c == '+' || c == '-' || (c >= '0' && c <= '9')) return number();
    std::string_view ahead = rest();
    const char32_t rune = take_rune(ahead);
    if (is_alnum(rune)) return name(from, Kind::kIdentifier);
    error(fmt::format("unrecognized character in action: {}", described(rune)), from);
  }

  static std::string described(char32_t rune) {
    std::string text;
    append_rune(text, rune);
    const std::string code = fmt::format("U+{:04X}", static_cast<std::uint32_t>(rune));
    return rune < 0x20 || rune == 0x7f ? code : code + " '" + text + "'";
  }

  void quoted(char quote, Kind kind, const char* unterminated) {
    const std::size_t from = at_++;
    for (; peek() != quote; ++at_) {
      if (peek() == '\\' && at_ + 1 < source_.size() && peek(1) != '\n') ++at_;
      if (at_ >= source_.size() || peek() == '\n') return error(unterminated, from);
    }
    ++at_;
    add(kind, from, at_);
  }

  void raw() {
    const std::size_t end = source_.find('`', at_ + 1);
    if (end == std::string_view::npos) return error("unterminated raw quoted string", at_);
    add(Kind::kString, at_, end + 1);
    at_ = end + 1;
  }

  void number() {
    const std::size_t from = at_;
    if (peek() == '+' || peek() == '-') ++at_;
    const bool hex = peek() == '0' && (peek(1) == 'x' || peek(1) == 'X');
    const auto part = [&](char c) {
      return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '.';
    };
    while (part(peek()) || ((peek() == '+' || peek() == '-') && at_ > from && !hex &&
                            (source_[at_ - 1] == 'e' || source_[at_ - 1] == 'E'))) {
      ++at_;
    }
    if (at_ == from + 1 && !(source_[from] >= '0' && source_[from] <= '9')) {
      return error(fmt::format("bad number syntax: \"{}\"", source_.substr(from, at_ - from)), from);
    }
    add(Kind::kNumber, from, at_);
  }

  // The rest of a name whose first character stands at `from`; `kind` says what that was.
  void name(std::size_t from, Kind kind) {
    while (at_ < source_.size()) {
      std::string_view ahead = rest();
      if (!is_alnum(take_rune(ahead))) break;
      at_ = source_.size() - ahead.size();
    }
    std::string_view ahead = rest();
    const char32_t next = ahead.empty() ? ' ' : take_rune(ahead);
    const bool ends =
        is_space(next) || std::u32string_view(U".,|:()=").find(next) != std::u32string_view::npos || see("}}");
    if (!ends) return error(fmt::format("bad character {}", described(next)), at_);
    const std::string_view word = source_.substr(from, at_ - from);
    if (word == ".") kind = Kind::kDot;
    if (kind == Kind::kIdentifier) {
      if (std::find(kKeywords.begin(), kKeywords.end(), word) != kKeywords.end()) kind = Kind::kKeyword;
      if (word == "true" || word == "false") kind = Kind::kBool;
    }
    add(kind, from, at_);
  }

  std::string_view source_;
  std::size_t at_ = 0;
  int parens_ = 0;
  bool good_ = true;
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> lex(std::string_view source) {
  return Lexer(source).run();
}

}  // namespace tocsin::tmpl
