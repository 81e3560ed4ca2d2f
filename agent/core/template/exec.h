#pragma once

#include <string>

#include "agent/core/template/parser.h"

namespace tocsin::tmpl {

/// Runs `tree`, which may call the others of `trees`.
Result<std::string> execute_tree(const Trees& trees, const Tree& tree, const Functions& functions, const Value& data,
                                 const Limits& limits);

}  // namespace tocsin::tmpl
