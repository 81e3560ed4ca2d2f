#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/core/labels.h"
#include "agent/core/result.h"

namespace re2 {
class RE2;
}

namespace tocsin {

enum class MatchOp { kEqual, kNotEqual, kRegex, kNotRegex };

/// "=", "!=", "=~" or "!~".
std::string_view to_string(MatchOp op);

/// A condition on one label. Regular expressions are RE2, anchored at both ends, `.` also matches a newline
/// (Prometheus 3). A label that is not there has the value "". Cheap to copy.
class Matcher {
 public:
  /// Errors: a regular expression that does not compile, or whose program is larger than 1 MiB.
  static Result<Matcher> make(std::string_view name, MatchOp op, std::string_view value);
  /// Cannot fail: plain equality.
  static Matcher equal(std::string_view name, std::string_view value);

  const std::string& name() const { return name_; }
  MatchOp op() const { return op_; }
  const std::string& value() const { return value_; }
  bool is_regex() const { return op_ == MatchOp::kRegex || op_ == MatchOp::kNotRegex; }
  bool is_negative() const { return op_ == MatchOp::kNotEqual || op_ == MatchOp::kNotRegex; }

  bool matches(std::string_view value) const;
  bool matches(const Labels& labels) const { return matches(labels.get(name_)); }
  bool matches_empty() const { return matches(std::string_view()); }

  /// `name="value"`, names that need it quoted: the text Alertmanager and PromQL print and read.
  std::string str() const;

  friend bool operator==(const Matcher& a, const Matcher& b) {
    return a.name_ == b.name_ && a.op_ == b.op_ && a.value_ == b.value_;
  }

 private:
  std::string name_;
  MatchOp op_ = MatchOp::kEqual;
  std::string value_;
  std::shared_ptr<const re2::RE2> regex_;
};

using Matchers = std::vector<Matcher>;

/// True when every matcher matches; no matchers match everything.
bool matches(const Matchers& matchers, const Labels& labels);

/// Reads Alertmanager's matcher syntax, UTF-8 first: `{foo="bar", baz=~"q.*"}`, braces, quotes and a trailing comma
/// optional. Errors name the offending text and its position.
Result<Matchers> parse_matchers(std::string_view text);

}  // namespace tocsin
