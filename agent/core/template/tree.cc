#include <algorithm>

#include "agent/core/template/parser.h"

namespace tocsin::tmpl {

std::string Command::text() const {
  std::string out;
  for (const Expr& word : words) out += (out.empty() ? "" : " ") + word.text;
  return out;
}

std::string Pipe::text() const {
  std::string out;
  for (const std::string& v : variables) out += (out.empty() ? "" : ", ") + v;
  if (!variables.empty()) out += assigns ? " = " : " := ";
  for (std::size_t i = 0; i < commands.size(); ++i) out += (i == 0 ? "" : " | ") + commands[i].text();
  return out;
}

bool Tree::blank() const {
  return std::all_of(body.begin(), body.end(), [](const Statement& s) {
    return s.kind == Statement::Kind::kText && s.text.find_first_not_of(" \t\r\n") == std::string::npos;
  });
}

}  // namespace tocsin::tmpl
