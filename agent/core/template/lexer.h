#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tocsin::tmpl {

struct Token {
  enum class Kind {
    kError,  // text is the message
    kEnd,
    kText,
    kLeft,   // {{
    kRight,  // }}
    kSpace,
    kAssign,   // =
    kDeclare,  // :=
    kPipe,
    kComma,
    kOpen,
    kClose,
    kString,  // "…" or `…`
    kChar,    // '…'
    kNumber,
    kBool,
    kDot,
    kField,     // .name
    kVariable,  // $name, or $
    kIdentifier,
    kKeyword,  // if, range, nil …
  } kind = Kind::kEnd;
  std::string text;
  std::size_t at = 0;  // byte offset in the source
};

/// Cuts a template into tokens. Trim markers have been applied and comments are gone. The list ends with kEnd or with
/// kError.
std::vector<Token> lex(std::string_view source);

}  // namespace tocsin::tmpl
