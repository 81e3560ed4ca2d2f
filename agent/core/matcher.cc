#include "agent/core/matcher.h"

#include <re2/re2.h>

#include <algorithm>

namespace tocsin {

std::string_view to_string(MatchOp op) {
  switch (op) {
    case MatchOp::kEqual:
      return "=";
    case MatchOp::kNotEqual:
      return "!=";
    case MatchOp::kRegex:
      return "=~";
    case MatchOp::kNotRegex:
      return "!~";
  }
  return "=";
}

Result<Matcher> Matcher::make(std::string_view name, MatchOp op, std::string_view value) {
  Matcher m = equal(name, value);
  m.op_ = op;
  if (m.is_regex()) {
    re2::RE2::Options options;
    options.set_log_errors(false);
    options.set_dot_nl(true);
    options.set_max_mem(1 << 20);
    auto regex = std::make_shared<const re2::RE2>(re2::StringPiece(value.data(), value.size()), options);
    if (!regex->ok()) return fail("the regular expression {} does not compile: {}", quoted(value), regex->error());
    m.regex_ = std::move(regex);
  }
  return m;
}

Matcher Matcher::equal(std::string_view name, std::string_view value) {
  Matcher m;
  m.name_ = name;
  m.value_ = value;
  return m;
}

bool Matcher::matches(std::string_view value) const {
  switch (op_) {
    case MatchOp::kEqual:
      return value == value_;
    case MatchOp::kNotEqual:
      return value != value_;
    case MatchOp::kRegex:
      return re2::RE2::FullMatch(re2::StringPiece(value.data(), value.size()), *regex_);
    case MatchOp::kNotRegex:
      return !re2::RE2::FullMatch(re2::StringPiece(value.data(), value.size()), *regex_);
  }
  return false;
}

std::string Matcher::str() const {
  const std::string name = is_valid_legacy_label_name(name_) ? name_ : quoted(name_);
  return fmt::format("{}{}{}", name, to_string(op_), quoted(value_));
}

bool matches(const Matchers& matchers, const Labels& labels) {
  return std::all_of(matchers.begin(), matchers.end(), [&](const Matcher& m) { return m.matches(labels); });
}

}  // namespace tocsin
