// What `tocsin docs` prints: tables of fields. Structs become sections of their own, named as their heading in a TOML
// file, so that the reference reads like the file.

#include "agent/core/config/reference.h"

namespace tocsin {
namespace {

// A cell may not end the row or the column.
std::string cell(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '|') out += '\\';
    out += c == '\n' ? ' ' : c;
  }
  return out;
}

std::string code(std::string_view text) {
  return text.empty() ? "" : "`" + cell(text) + "`";
}

// "list of table" is written [[path]], "table of table" [path.NAME].
bool is_list_of_tables(const FieldDoc& field) {
  return field.type.starts_with("list of ");
}
bool is_map_of_tables(const FieldDoc& field) {
  return field.type.starts_with("table of ");
}

}  // namespace

std::string config_reference(std::string_view path, const std::vector<FieldDoc>& fields, bool is_list,
                             std::string_view intro) {
  std::string out;
  if (!path.empty()) out += fmt::format("## `{}{}{}`\n\n", is_list ? "[[" : "[", path, is_list ? "]]" : "]");
  if (!intro.empty()) out += fmt::format("{}\n\n", intro);
  bool any = false;
  for (const FieldDoc& field : fields) {
    if (!field.children.empty()) continue;
    if (!std::exchange(any, true)) out += "| Key | Type | Default | What it says | Limits |\n|---|---|---|---|---|\n";
    out += fmt::format("| {} | {} | {} | {} | {} |\n", code(field.name), cell(field.type),
                       field.required ? "required" : code(field.default_text), cell(field.text), cell(field.limits));
  }
  if (any) out += '\n';
  for (const FieldDoc& field : fields) {
    if (field.children.empty()) continue;
    std::string name = (path.empty() ? "" : std::string(path) + ".") + field.name;
    if (is_map_of_tables(field)) name += ".NAME";
    std::string text = field.text;
    if (field.required) text += " Required.";
    if (!field.limits.empty()) text += fmt::format(" It {}.", field.limits);
    out += config_reference(name, field.children, is_list_of_tables(field), text);
  }
  return out;
}

}  // namespace tocsin
