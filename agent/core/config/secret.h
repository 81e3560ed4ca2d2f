#pragma once

#include <string>

#include "agent/core/result.h"

namespace tocsin {

/// A password, token or URL with a token in it. In a file it is `{ file = "/run/secrets/x" }`, `{ env = "NAME" }`, or
/// the text itself. Prints as ******** everywhere; only reveal() gives it away.
class Secret {
 public:
  Secret() = default;
  static Secret literal(std::string text) { return Secret(Kind::kLiteral, std::move(text)); }
  static Secret from_file(std::string path) { return Secret(Kind::kFile, std::move(path)); }
  static Secret from_env(std::string name) { return Secret(Kind::kEnv, std::move(name)); }

  /// True when none was configured.
  bool empty() const { return kind_ == Kind::kNone; }
  /// The secret now: a file is read anew each time, so that a rotated one is used without a reload; one newline at its
  /// end is cut off. Errors: the file cannot be read, the variable is not set. "" when empty().
  Result<std::string> reveal() const;

 private:
  enum class Kind { kNone, kLiteral, kFile, kEnv };
  Secret(Kind kind, std::string text) : kind_(kind), text_(std::move(text)) {}
  Kind kind_ = Kind::kNone;
  std::string text_;  // the secret, the path or the variable's name
};

inline constexpr const char* kSecretMask = "********";

}  // namespace tocsin
