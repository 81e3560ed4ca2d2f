#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/core/template/template.h"

namespace tocsin::tmpl {

struct Pipe;

/// One operand of a command.
struct Expr {
  enum class Kind {
    kBool,
    kChain,
    kDot,
    kField,
    kIdentifier,
    kNil,
    kNumber,
    kPipe,
    kString,
    kVariable
  } kind = Kind::kDot;
  std::size_t at = 0;
  std::string text;                // as it is shown in messages
  Value constant;                  // bool, number, string
  std::vector<std::string> names;  // field and variable (its own name first): the chain; chain: what follows the pipe
  std::unique_ptr<Pipe> pipe;      // pipe and chain: what stands in the parentheses
};

struct Command {
  std::size_t at = 0;
  std::vector<Expr> words;
  std::string text() const;
};

struct Pipe {
  std::size_t at = 0;
  bool assigns = false;  // = rather than :=
  std::vector<std::string> variables;
  std::vector<Command> commands;
  std::string text() const;
};

struct Statement {
  enum class Kind { kText, kAction, kIf, kWith, kRange, kTemplate, kBreak, kContinue } kind = Kind::kText;
  std::size_t at = 0;
  std::string text;  // the text itself, or the name of the template
  Pipe pipe;         // empty commands: none given
  std::vector<Statement> body;
  std::vector<Statement> otherwise;
};

/// One text that was parsed, for places in messages.
struct Source {
  std::string name;
  std::string text;
};

struct Tree {
  std::string name;
  std::shared_ptr<const Source> source;
  std::vector<Statement> body;
  /// Nothing but spaces: such a definition does not replace another one.
  bool blank() const;
};

/// By name: the text itself under its own name, and what it defines.
using Trees = std::map<std::string, std::shared_ptr<const Tree>, std::less<>>;

Result<Trees> parse_trees(std::string_view name, std::string_view text, const Functions& functions);

}  // namespace tocsin::tmpl
